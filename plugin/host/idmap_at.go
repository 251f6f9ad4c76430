// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// enterTime is how long a child has to enter a user namespace.
const enterTime = time.Second

// IDMapsAt returns the id maps of the user namespace that is mounted at a path
// of the node. The kernel shows a map only of a process in the namespace, and
// there may be none, so a child enters it for that moment. That takes uid 0 and
// no capability, since root owns the namespace, and setns(2) not to be denied by
// a seccomp profile. The maps are unknown otherwise.
func (h *Host) IDMapsAt(name string) (uid, gid policy.Known[[]specs.LinuxIDMapping]) {
	ns, err := h.openNamespace(name)
	if err != nil {
		return uid, gid
	}
	defer closeFD(ns)
	var in, out [2]int // the child says that it is there, and waits for its end
	if unix.Pipe2(in[:], unix.O_CLOEXEC) != nil {
		return uid, gid
	}
	if unix.Pipe2(out[:], unix.O_CLOEXEC) != nil {
		closeFD(in[0])
		closeFD(in[1])
		return uid, gid
	}
	pid, errno := forkInto(ns, in, out)
	closeFD(in[1])
	closeFD(out[0])
	defer closeFD(in[0])
	if errno != 0 {
		closeFD(out[1])
		return uid, gid
	}
	ready := []unix.PollFd{{Fd: int32(in[0]), Events: unix.POLLIN}}
	var said [1]byte
	if n, err := unix.Poll(ready, int(enterTime.Milliseconds())); err == nil && n == 1 {
		if n, err := unix.Read(in[0], said[:]); err == nil && n == 1 {
			uid, gid = idMapOf(strconv.Itoa(pid), "uid_map"), idMapOf(strconv.Itoa(pid), "gid_map")
		}
	}
	closeFD(out[1])
	_ = unix.Kill(pid, unix.SIGKILL) // it is ours until it is waited for
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return uid, gid
		}
	}
}

// forkInto starts a child that enters a user namespace, which only a process
// with one thread can: no Go program after its start. So the child never
// returns to Go's runtime: it makes system calls and ends, with all signals
// blocked, for a handler of Go's would not find its threads.
func forkInto(ns int, in, out [2]int) (pid int, errno syscall.Errno) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old) != nil {
		return 0, unix.EINVAL
	}
	syscall.ForkLock.Lock() // as os/exec: no descriptor is without its close-on-exec
	r, errno := cloneAndEnter(uintptr(ns), uintptr(in[1]), uintptr(out[0]), uintptr(out[1]))
	syscall.ForkLock.Unlock()
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil) // was set before
	return int(r), errno
}
