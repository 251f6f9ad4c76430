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
	"strings"
)

// platform is what a program runs on.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// commands are the programs below cmd/ of the source tree: those of a node, and kubectl's
// plugins, which are programs of a user's machine.
func commands(source string) (node, plugins []string, err error) {
	entries, err := os.ReadDir(filepath.Join(source, "cmd"))
	if err != nil {
		return nil, nil, fmt.Errorf("looking for the programs: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "kubectl-") {
			plugins = append(plugins, e.Name())
		} else if e.IsDir() {
			node = append(node, e.Name())
		}
	}
	return node, plugins, nil
}

// compile builds static programs for a platform and returns their paths.
func compile(o options, p platform, dir string, names []string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var programs []string
	for _, name := range names {
		program := filepath.Join(dir, name)
		if p.os == "windows" {
			program += ".exe"
		}
		// No build id and no paths of this machine: the bytes are those of the source. In its
		// own folder, since a plugin has a go.mod of its own.
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags=osusergo,netgo",
			"-ldflags", "-s -w -buildid= -X main.version="+o.version, "-o", program, ".")
		build.Dir = programFolder(o, name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOFLAGS=-mod=readonly", "GOAMD64=v1", "GOARM64=v8.0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return nil, fmt.Errorf("building %s for %s: %w", name, p, err)
		}
		programs = append(programs, program)
	}
	return programs, nil
}

func programFolder(o options, name string) string { return filepath.Join(o.source, "cmd", name) }

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
