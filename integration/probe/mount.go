// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mountNew mounts a new file system as mount(8) of util-linux 2.39 and later does, by a
// file descriptor and without going back to mount(2), and reconfigures it. The error
// names the call.
func mountNew(args []string) (string, error) {
	if err := need(args, 2, 2); err != nil {
		return "", err
	}
	fs, err := unix.Fsopen(args[0], unix.FSOPEN_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("fsopen: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return "", fmt.Errorf("fsconfig: %w", err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("fsmount: %w", err)
	}
	defer unix.Close(mount)
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, args[1], unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return "", fmt.Errorf("move_mount: %w", err)
	}
	again, err := unix.Fspick(mount, "", unix.FSPICK_CLOEXEC|unix.FSPICK_EMPTY_PATH)
	if err != nil {
		return "", fmt.Errorf("fspick: %w", err)
	}
	return "ok", unix.Close(again)
}

// readKey reads a key of the kernel by its serial number.
func readKey(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	var serial int
	if _, err := fmt.Sscan(args[0], &serial); err != nil {
		return "", usageError(fmt.Sprintf("serial number %q: %v", args[0], err))
	}
	content := make([]byte, 4096)
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, serial, content, 0)
	if err != nil {
		return "", fmt.Errorf("keyctl: %w", err)
	}
	return string(content[:min(n, len(content))]), nil
}

// mountFUSE mounts a file system in user space that nobody serves, by mount(2) as
// libfuse does, and takes it away again.
func mountFUSE(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open: %w", err)
	}
	defer unix.Close(device)
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", device, unix.Getuid(), unix.Getgid())
	if err := unix.Mount("probe", args[0], "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return "", fmt.Errorf("mount: %w", err)
	}
	if err := unix.Unmount(args[0], unix.MNT_DETACH); err != nil {
		return "", fmt.Errorf("umount: %w", err)
	}
	return "ok", nil
}
