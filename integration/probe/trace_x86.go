// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

//go:build amd64

package main

import "golang.org/x/sys/unix"

// A process calls into the kernel by this instruction.
var syscallInstruction = []byte{0x0f, 0x05}

// callMknodat sets the registers of a stopped process as mknodat wants them.
func callMknodat(pid int, regs unix.PtraceRegs, path uintptr, mode, dev uint64) error {
	cwd := unix.AT_FDCWD
	regs.Orig_rax = ^uint64(0) // it is in no system call that is to be restarted
	regs.Rax, regs.Rdi, regs.Rsi, regs.Rdx, regs.R10 = unix.SYS_MKNODAT, uint64(int64(cwd)), uint64(path), mode, dev
	return unix.PtraceSetRegs(pid, &regs)
}

func programCounter(regs *unix.PtraceRegs) uintptr { return uintptr(regs.Rip) }
func stackPointer(regs *unix.PtraceRegs) uintptr   { return uintptr(regs.Rsp) }
func result(regs *unix.PtraceRegs) int64           { return int64(regs.Rax) }
