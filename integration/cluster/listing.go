// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Listing is what a node holds that pods and installers may leave behind, by path.
type Listing map[string]string

// Listing looks at all files that were written on the node, with mode, owner and content,
// at its /run and /dev, at the cgroups of its pods, and at its mounts.
func (n *Node) Listing() (Listing, error) {
	all := Listing{}
	upper := n.machine.path(filepath.Join(n.dir, "upper"))
	if err := all.walk(upper, "", func(string) bool { return true }); err != nil {
		return nil, err
	}
	// What containerd and the kubelet keep there comes and goes with the pods.
	if err := all.walk(n.machine.path("/run"), "/run", func(name string) bool {
		return !strings.HasPrefix(name, "/run/containerd") && !strings.HasPrefix(name, "/run/netns/")
	}); err != nil {
		return nil, err
	}
	if err := all.walk(n.machine.path("/dev"), "/dev", func(name string) bool {
		return !strings.HasPrefix(name, "/dev/pts/") && !strings.HasPrefix(name, "/dev/shm/")
	}); err != nil {
		return nil, err
	}
	cgroups, err := filepath.Glob("/sys/fs/cgroup/*/" + n.cgroup)
	if err != nil {
		return nil, err
	}
	for _, root := range append(cgroups, "/sys/fs/cgroup/"+n.cgroup) {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				all[path] = "cgroup"
			}
			return nil
		})
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", n.machine.pid))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(mounts)) {
		// containerd's own come and go with sandboxes, which the kubelet keeps for a while.
		if fields := strings.Fields(line); len(fields) > 5 && !strings.HasPrefix(fields[4], "/run/containerd/") && !strings.HasPrefix(fields[4], "/run/netns/") {
			all["mount "+fields[4]] += fields[5] + " "
		}
	}
	return all, nil
}

// walk adds the files below a folder under another name for it.
func (l Listing) walk(root, as string, want func(name string) bool) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // has gone meanwhile
		}
		if err != nil {
			return err
		}
		name := as + strings.TrimPrefix(path, root)
		if !want(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil // has gone meanwhile
		}
		what := info.Mode().String()
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			what += " " + to
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += fmt.Sprintf(" %x", sha256.Sum256(text))
		}
		l[name] = what
		return nil
	})
}

// Changes says what is different in a later listing, a line for each path, sorted.
func (l Listing) Changes(later Listing) []string {
	var all []string
	for path, what := range later {
		if was, had := l[path]; !had {
			all = append(all, "+ "+path+" "+what)
		} else if was != what {
			all = append(all, "~ "+path+": "+was+" became "+what)
		}
	}
	for path := range l {
		if _, has := later[path]; !has {
			all = append(all, "- "+path)
		}
	}
	slices.Sort(all)
	return all
}
