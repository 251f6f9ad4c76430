// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// containerID is what containerd takes for one.
var containerID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,75}$`)

// containersOf returns the ids of the containers that were created by a program as
// their OCI runtime: containerd calls it to stop and remove them. Shims keep its name
// beside each container's files.
//
// Any process of a pod can look like a shim, so the files may be anybody's.
func (t Tree) containersOf(program, state string) []string {
	var ids []string
	look := func(folder string) {
		entries, _ := os.ReadDir(folder) // what cannot be read is not there, or no shim's
		for _, e := range entries {
			if id := e.Name(); containerID.MatchString(id) && !slices.Contains(ids, id) &&
				runtimeIn(folder+"/"+id+"/runtime") == program { // joining it would go up by name
				ids = append(ids, id)
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

// runtimeIn reads a shim's file; "" for one that is not regular, at which reading
// might wait or never end.
func runtimeIn(name string) string {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	at := os.NewFile(uintptr(fd), name)
	defer func() { _ = at.Close() }()
	if info, err := at.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd)) // the one that was looked at
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	text, _ := io.ReadAll(io.LimitReader(f, unix.PathMax))
	return string(text)
}
