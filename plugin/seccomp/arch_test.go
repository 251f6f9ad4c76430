// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"runtime"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestArchitectures(t *testing.T) {
	if len(Architectures(runtime.GOARCH)) == 0 {
		t.Error("none for this machine")
	}
	for goarch, want := range map[string][]specs.Arch{
		"amd64":   {specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		"386":     {specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		"arm64":   {specs.ArchAARCH64, specs.ArchARM},
		"riscv64": {specs.ArchRISCV64},
		"s390x":   {specs.ArchS390X, specs.ArchS390},
		"unheard": nil,
	} {
		if got := Architectures(goarch); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", goarch, got, want)
		}
	}
}
