// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"debug/buildinfo"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
)

// commands are the programs of the image, below cmd/ of the source tree.
var commands = []string{"nodegate", "nodegate-runc"}

// compile builds the static programs for an architecture and returns their paths.
func compile(o options, arch, dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var programs []string
	for _, name := range commands {
		program := filepath.Join(dir, name)
		// No build id and no paths of this machine: the bytes are those of the source.
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false",
			"-ldflags", "-s -w -buildid= -X main.version="+o.version, "-o", program, "./cmd/"+name)
		build.Dir = o.source
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=-mod=readonly", "GOAMD64=v1", "GOARM64=v8.0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return nil, fmt.Errorf("building %s: %w", name, err)
		}
		programs = append(programs, program)
	}
	return programs, nil
}

// module is a Go module that is linked into one of the programs.
type module struct{ path, version, sum string }

// modulesOf reads from the programs themselves what is linked into them, Go's own
// library as the module "std".
func modulesOf(programs []string) ([]module, error) {
	found := map[module]bool{}
	for _, p := range programs {
		info, err := buildinfo.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("reading what is linked into %s: %w", filepath.Base(p), err)
		}
		found[module{path: "std", version: info.GoVersion}] = true
		for _, d := range info.Deps {
			found[linked(d)] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b module) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.version, b.version))
	}), nil
}

func linked(d *debug.Module) module {
	if d.Replace != nil {
		d = d.Replace
	}
	return module{path: d.Path, version: d.Version, sum: d.Sum}
}
