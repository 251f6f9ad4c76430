// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// kvmGetAPIVersion is KVM_GET_API_VERSION of linux/kvm.h, _IO(0xAE, 0).
const kvmGetAPIVersion = 0xae00

// kvm asks /dev/kvm for its version: that a device opens does not yet say that it
// is the device, a node on a nodev mount for example.
func kvm(args []string) (string, error) {
	if err := need(args, 0, 1); err != nil {
		return "", err
	}
	path := "/dev/kvm"
	if len(args) == 1 {
		path = args[0]
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	version, err := unix.IoctlRetInt(fd, kvmGetAPIVersion)
	if err != nil {
		return "", os.NewSyscallError("ioctl KVM_GET_API_VERSION", err)
	}
	return strconv.Itoa(version), nil
}
