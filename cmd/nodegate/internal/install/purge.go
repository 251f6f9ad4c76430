// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
)

// purge removes what an agent made in its directories, which may be for others too, and
// then the directories, if nothing else is in them: the kubelet has made them where the
// agent was a pod.
func (r *Removal) purge(d AgentDirs) error {
	if len(r.Containers) == 0 {
		err := r.clear(d.State, func(name string) bool {
			return slices.Contains([]string{"decisions", "allotted", NoteName, "nodegate.sock"}, name)
		})
		if err != nil {
			return fmt.Errorf("removing the agent's state: %w", err)
		}
	}
	// What a container that runs has of it would lose its name, and tools inside bind it
	// again.
	err := r.clear(d.Shadows, func(name string) bool { return containerID.MatchString(name) && !r.lives(name) })
	if err != nil {
		return fmt.Errorf("removing shadow nodes: %w", err)
	}
	if parent := path.Dir(d.Shadows); path.Base(parent) == ".udev" {
		r.tree.prune([]string{parent}) // nobody's where it is empty
	}
	return nil
}

// clear removes what is ours in a directory, and the directory if it is empty then.
func (r *Removal) clear(name string, ours func(name string) bool) error {
	d, err := r.tree.open(name, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.close()
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", d.fd)) // it stays within
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // read only
	names, err := r.tree.list(name)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !ours(n) {
			continue
		}
		if err := root.RemoveAll(n); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	r.tree.prune([]string{d.path})
	return nil
}
