// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// node is what mknod is to make. The registers hold more bits than the kernel
// reads: mode is 16 bits wide and dev 32, while a seccomp filter sees 64 of each.
// The extra bits show whether a filter can be walked around.
type node struct {
	call              string // which of the two system calls
	path              string
	mode, dev         uint64
	modeBits, devBits uint64
	numberBits        uint64 // 0x40000000 is the x32 ABI's
}

// mknod makes a node with exactly the system call that is asked for: a C library
// turns one into the other.
func mknod(args []string) (string, error) {
	n, err := parseNode(args)
	if err != nil {
		return "", err
	}
	path, err := unix.BytePtrFromString(n.path)
	if err != nil {
		return "", usageError(fmt.Sprintf("path %q holds a zero byte", n.path))
	}
	errno := n.make(path)
	runtime.KeepAlive(path)
	if errno != 0 {
		return "", &os.PathError{Op: n.call, Path: n.path, Err: errno}
	}
	return "ok", nil
}

func (n node) make(path *byte) unix.Errno {
	p := uintptr(unsafe.Pointer(path))
	mode, dev := uintptr(n.mode|n.modeBits), uintptr(n.dev|n.devBits)
	if n.call == "mknod" {
		return rawMknod(p, mode, dev, uintptr(n.numberBits))
	}
	// A variable, since the constant does not fit an uintptr.
	cwd := unix.AT_FDCWD
	_, _, errno := unix.Syscall6(unix.SYS_MKNODAT|uintptr(n.numberBits), uintptr(cwd), p, mode, dev, 0, 0)
	return errno
}

func parseNode(args []string) (node, error) {
	n := node{}
	flags := flag.NewFlagSet("mknod", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&n.call, "call", "mknodat", "")
	flags.Uint64Var(&n.modeBits, "mode-bits", 0, "")
	flags.Uint64Var(&n.devBits, "dev-bits", 0, "")
	flags.Uint64Var(&n.numberBits, "number-bits", 0, "")
	if err := flags.Parse(args); err != nil {
		return n, usageError(err.Error())
	}
	args = flags.Args()
	if len(args) != 2 && len(args) != 4 {
		return n, usageError("mknod takes TYPE PATH or TYPE PATH MAJOR MINOR")
	}
	types := map[string]uint64{
		"b": unix.S_IFBLK, "c": unix.S_IFCHR, "p": unix.S_IFIFO, "f": unix.S_IFREG, "s": unix.S_IFSOCK,
	}
	kind, ok := types[args[0]]
	if !ok {
		return n, usageError(fmt.Sprintf("type %q is not b, c, p, f or s", args[0]))
	}
	if n.call != "mknod" && n.call != "mknodat" {
		return n, usageError(fmt.Sprintf("call %q is not mknod or mknodat", n.call))
	}
	n.mode, n.path = kind|0o666, args[1]
	if len(args) == 4 {
		major, err1 := strconv.ParseUint(args[2], 0, 32)
		minor, err2 := strconv.ParseUint(args[3], 0, 32)
		if err1 != nil || err2 != nil {
			return n, usageError(fmt.Sprintf("%q, %q are not device numbers", args[2], args[3]))
		}
		n.dev = unix.Mkdev(uint32(major), uint32(minor))
	}
	return n, nil
}
