// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package seccomp

import "github.com/opencontainers/runtime-spec/specs-go"

// Architectures returns the seccomp names of all system call tables that
// programs on a machine can use, by its value of GOARCH. A filter that leaves
// one out can be walked around through it. A 32-bit agent may run on a 64-bit
// kernel, so that one's tables are named too. The kernel's list:
// https://github.com/torvalds/linux/blob/master/include/uapi/linux/audit.h
func Architectures(goarch string) []specs.Arch {
	switch goarch {
	case "amd64", "386":
		return []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}
	case "arm64", "arm":
		return []specs.Arch{specs.ArchAARCH64, specs.ArchARM}
	case "loong64":
		return []specs.Arch{specs.ArchLOONGARCH64}
	case "mips64", "mips":
		return []specs.Arch{specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPS}
	case "mips64le", "mipsle":
		return []specs.Arch{specs.ArchMIPSEL64, specs.ArchMIPSEL64N32, specs.ArchMIPSEL}
	case "ppc64":
		return []specs.Arch{specs.ArchPPC64, specs.ArchPPC}
	case "ppc64le":
		return []specs.Arch{specs.ArchPPC64LE}
	case "riscv64":
		return []specs.Arch{specs.ArchRISCV64}
	case "s390x":
		return []specs.Arch{specs.ArchS390X, specs.ArchS390}
	}
	return nil
}
