// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 && !386

package main

import "golang.org/x/sys/unix"

// rawMknod: newer architectures have mknodat alone.
func rawMknod(_, _, _, _ uintptr) unix.Errno { return unix.ENOSYS }
