// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import "golang.org/x/sys/unix"

func rawMknod(path, mode, dev uintptr) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_MKNOD, path, mode, dev)
	return errno
}
