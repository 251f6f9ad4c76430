// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// makeCgroups makes the cgroup that the kubelet is told to put all pods into: in every
// hierarchy, since it does not make it itself. One of cpuset begins without any cpu.
func makeCgroups(name string) error {
	const root = "/sys/fs/cgroup"
	dirs := []string{root}
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
		if dirs, err = filepath.Glob(root + "/*"); err != nil {
			return err
		}
	}
	for _, dir := range dirs {
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			continue // a link to one of the others
		}
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return fmt.Errorf("making the pods' cgroup: %w", err)
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(dir, file))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name, file), value, 0o644)
			}
			if err != nil {
				return fmt.Errorf("preparing the pods' cgroup: %w", err)
			}
		}
	}
	return nil
}
