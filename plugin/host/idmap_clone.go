// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cloneAndEnter returns in the parent alone. The child may neither grow its
// stack nor allocate.
//
//go:norace
//go:nosplit
//go:noinline
func cloneAndEnter(ns, say, wait, waitWriter uintptr) (pid uintptr, errno syscall.Errno) {
	var letter byte
	pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	_, _, errno = syscall.RawSyscall(unix.SYS_SETNS, ns, unix.CLONE_NEWUSER, 0)
	if errno == 0 {
		_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, waitWriter, 0, 0)
		_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, say, uintptr(unsafe.Pointer(&letter)), 1)
		_, _, _ = syscall.RawSyscall(unix.SYS_READ, wait, uintptr(unsafe.Pointer(&letter)), 1)
	}
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}
