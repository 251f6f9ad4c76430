// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || 386

package main

import "golang.org/x/sys/unix"

// rawMknod adds bits to the number of the call: another table's, on x86-64.
func rawMknod(path, mode, dev, numberBits uintptr) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_MKNOD|numberBits, path, mode, dev)
	return errno
}
