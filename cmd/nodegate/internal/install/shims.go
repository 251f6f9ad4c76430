// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// containersOf returns the ids of the containers that were created by a program as
// their OCI runtime: containerd calls it to stop and remove them. Shims keep its name
// beside each container's files.
func (t Tree) containersOf(program, state string) []string {
	var ids []string
	look := func(folder string) {
		entries, _ := os.ReadDir(folder) // what cannot be read is not there, or no shim's
		for _, e := range entries {
			name, err := os.ReadFile(folder + "/" + e.Name() + "/runtime") // joining it would go up by name
			if err == nil && string(name) == program && !slices.Contains(ids, e.Name()) {
				ids = append(ids, e.Name())
			}
		}
	}
	spaces, _ := filepath.Glob(filepath.Join(t.root, state, "io.containerd.runtime.v2.task", "*"))
	for _, folder := range spaces {
		look(folder)
	}
	// containerd's state may be elsewhere, by its command line. A shim's working
	// directory is its first container's.
	procs, _ := filepath.Glob(filepath.Join(t.root, "proc/[0-9]*"))
	for _, proc := range procs {
		cmdline, err := os.ReadFile(filepath.Join(proc, "cmdline"))
		name, _, _ := strings.Cut(string(cmdline), "\x00")
		if err == nil && strings.HasPrefix(path.Base(name), "containerd-shim-") {
			look(proc + "/cwd/..")
		}
	}
	slices.Sort(ids)
	return ids
}
