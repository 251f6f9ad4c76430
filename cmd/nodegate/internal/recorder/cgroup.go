// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// tree is where a node has its cgroups.
type tree string

// cgroups are those of this node.
const cgroups tree = "/sys/fs/cgroup"

// find finds the cgroup of a container or a sandbox by its id, which every runtime has in
// the cgroup's name. The error wraps fs.ErrNotExist if there is none.
func (t tree) find(id string) (string, error) {
	found := ""
	err := filepath.WalkDir(string(t), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone since
		case err != nil:
			return err
		case d.IsDir() && strings.Contains(d.Name(), id):
			found = path
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && found == "" {
		err = fs.ErrNotExist
	}
	if err != nil {
		return "", fmt.Errorf("looking for the cgroup of %s: %w", id, err)
	}
	return found, nil
}

// below are the ids of a cgroup and of all that are in it; it comes first.
func below(dir string) ([]uint64, error) {
	var ids []uint64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return skipGone(err)
		}
		id, err := cgroupID(path)
		if err == nil {
			ids = append(ids, id)
		}
		return skipGone(err)
	})
	if err == nil && len(ids) == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("looking at cgroup %s: %w", dir, err)
	}
	return ids, nil
}

func skipGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// cgroupID is how eBPF programs see a cgroup.
func cgroupID(dir string) (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	return stat.Ino, nil
}
