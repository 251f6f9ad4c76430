// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	rootDevice = "/dev/vda"
	newRoot    = "/root"
)

// boot is process 1 of the initial RAM disk. It returns only when something is wrong;
// the kernel panics then, and the console says why.
func boot() error {
	for _, m := range []struct{ kind, dir string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return fmt.Errorf("making a mount point: %w", err)
		}
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.dir, err)
		}
	}
	list, err := os.ReadFile("/modules/list")
	if err != nil {
		return fmt.Errorf("reading the list of modules: %w", err)
	}
	for _, name := range strings.Fields(string(list)) {
		if err := load("/modules/" + name); err != nil {
			return err
		}
	}
	if err := waitFor(rootDevice); err != nil {
		return err
	}
	if err := os.MkdirAll(newRoot, 0o755); err != nil {
		return fmt.Errorf("making a mount point: %w", err)
	}
	if err := unix.Mount(rootDevice, newRoot, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", rootDevice, err)
	}
	return become(newRoot)
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("loading a module: %w", err)
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("loading %s: %w", path, err)
	}
	return nil
}

// waitFor waits for a device: its driver probes while this process runs.
func waitFor(path string) error {
	for range 3000 {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("there is no %s after a minute", path)
}

// become goes over to the disk's file system and its /sbin/init.
func become(root string) error {
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if err := unix.Mount(dir, root+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("moving %s: %w", dir, err)
		}
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(root, "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("moving the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Exec("/sbin/init", []string{"/sbin/init"}, []string{"HOME=/", "TERM=linux"}); err != nil {
		return fmt.Errorf("executing /sbin/init: %w", err)
	}
	return nil
}
