// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// tun asks /dev/net/tun for its features, which takes no capability: that it is the
// device, and not only a node that opens.
func tun(args []string) (string, error) {
	if err := need(args, 0, 0); err != nil {
		return "", err
	}
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	features, err := unix.IoctlGetInt(fd, unix.TUNGETFEATURES)
	if err == nil && features&unix.IFF_TUN == 0 {
		err = unix.ENOTTY
	}
	if err != nil {
		return "", os.NewSyscallError("ioctl TUNGETFEATURES", err)
	}
	return "ok", nil
}
