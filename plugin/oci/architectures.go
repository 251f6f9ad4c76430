// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import "github.com/opencontainers/runtime-spec/specs-go"

// architectures returns the seccomp names of all system call tables of a
// machine, for a filter that is made from nothing. The agent's package host
// has the same table; the wrapper links no part of the agent.
func architectures(goarch string) []specs.Arch {
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
