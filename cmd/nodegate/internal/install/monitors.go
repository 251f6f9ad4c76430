// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// monitored returns the containers of CRI-O. Each has a conmon, whose arguments name
// the OCI runtime that stops and removes it, its bundle and its id. As with shims, any
// process can look like one.
func (t Tree) monitored() (all []container) {
	procs, _ := filepath.Glob(filepath.Join(t.root, "proc/[0-9]*"))
	for _, proc := range procs {
		args := strings.Split(string(begins(filepath.Join(proc, "cmdline"))), "\x00")
		if path.Base(args[0]) != "conmon" {
			continue
		}
		id, bundle := argument(args, "-c"), argument(args, "-b")
		if !containerID.MatchString(id) || !path.IsAbs(bundle) {
			continue // an exec has a monitor of its own, and no bundle
		}
		config := filepath.Join(t.root, bundle, "config.json")
		all = append(all, container{id: id, pod: podIn(config), program: argument(args, "-r")})
	}
	return all
}

// argument returns the word after an option.
func argument(args []string, option string) string {
	if i := slices.Index(args, option); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}
