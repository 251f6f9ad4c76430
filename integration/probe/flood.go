// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// flood opens a device as often as it is told, each time under another name, with an escape
// code: a recorder of it sees as many different things. It prints how many a second.
func flood(args []string) (string, error) {
	times, err := howOften("flood", args)
	if err != nil {
		return "", err
	}
	runtime.LockOSThread() // the name is a thread's
	began := time.Now()
	for i := range times {
		name, err := unix.BytePtrFromString(fmt.Sprintf("\x1b[2J%d", i))
		if err != nil {
			return "", err
		}
		if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0); err != nil {
			return "", os.NewSyscallError("prctl", err)
		}
		fd, err := unix.Open("/dev/null", unix.O_RDONLY, 0)
		if err != nil {
			return "", os.NewSyscallError("open", err)
		}
		_ = unix.Close(fd)
	}
	return fmt.Sprintf("%.0f", float64(times)/time.Since(began).Seconds()), nil
}

// calls makes as many system calls that do nothing, and prints the nanoseconds of one.
func calls(args []string) (string, error) {
	times, err := howOften("calls", args)
	if err != nil {
		return "", err
	}
	began := time.Now()
	for range times {
		_, _, _ = unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
	}
	return strconv.FormatInt(time.Since(began).Nanoseconds()/int64(times), 10), nil
}

func howOften(question string, args []string) (int, error) {
	if len(args) == 1 {
		if n, err := strconv.Atoi(args[0]); err == nil && n > 0 {
			return n, nil
		}
	}
	return 0, usageError(question + " takes TIMES")
}
