// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
)

// What is found is shown as it comes, in lines that no terminal obeys, and not without end.
func TestLearnView(t *testing.T) {
	var out bytes.Buffer
	v := newLearnView(&out)
	c := &seenContainer{Container: evidence.Container{ID: "0123456789abcdef"}}
	shows := func(want string, e evidence.Event) {
		t.Helper()
		out.Reset()
		if v.found(c, &e); out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	}
	shows("0123456789ab: opens device \"c 10:229\" at \"/dev/fuse\" (rw) (x, by openat)\n", evidence.Event{Type: evidence.Device, Device: "c 10:229", Path: "/dev/fuse", Access: "rw", Program: "x", Call: "openat"})
	c.Name = "vpn\x1b[2J"
	shows(`vpn\x1b[2J: opens device "c 10:229" at "/dev/\x1b[2J\u202e" (r) (x\n)`+"\n", evidence.Event{Type: evidence.Device, Device: "c 10:229", Path: "/dev/\x1b[2J\u202e", Access: "r", Program: "x\n"})
	shows("", evidence.Event{Type: evidence.Capability, Capability: "SYS_ADMIN", Optional: true})
	shows("", evidence.Event{Type: evidence.Opened, Device: "c 10:229"})
	shows("", evidence.Event{Type: evidence.Refused, Call: "clone3", Error: "ENOSYS"})
	shows("", evidence.Event{Type: evidence.File, Filesystem: "proc", Path: "/proc/cpuinfo", Access: "r"})
	c.Name = "a"
	shows("a: opens \"/proc/sys/net/x\" (w)\n", evidence.Event{Type: evidence.File, Filesystem: "proc", Path: "/proc/sys/net/x", Access: "w"})
	shows("a: is refused a system call by seccomp: EPERM (by mount)\n", evidence.Event{Type: evidence.Refused, Call: "mount", Error: "EPERM"})
	shows("a: opens \"/sys/fs/cgroup/a\" (w)\n", evidence.Event{Type: evidence.File, Filesystem: "cgroup", Path: "/sys/fs/cgroup/a", Access: "w"})
	shows("", evidence.Event{Type: evidence.File, Filesystem: "cgroup", Path: "/sys/fs/cgroup/b", Access: "w"})
	out.Reset()
	for i := range 2 * maxShown {
		v.found(c, &evidence.Event{Type: evidence.Mknod, Path: fmt.Sprint(i)})
	}
	if n := strings.Count(out.String(), "\n"); n > maxShown || !strings.HasSuffix(out.String(), "the rest is in the report\n") {
		t.Errorf("%d lines, of which the last is %q", n, out.String()[max(0, out.Len()-80):])
	}
}

// On a terminal the last line counts, and what is lost is in it; elsewhere there is none.
func TestLearnViewCounts(t *testing.T) {
	var out bytes.Buffer
	v := newLearnView(&out)
	c := &seenContainer{}
	c.Add(evidence.Event{Type: evidence.Device, Device: "c 10:229"})
	all := map[uint64]*seenContainer{1: c, 2: {}}
	lost := func() (uint64, error) { return 7, nil }
	count := func() { v.count(time.Now(), all, lost) }
	if count(); out.Len() > 0 {
		t.Errorf("no terminal is shown %q", &out)
	}
	v.terminal = true
	const line = "0s  2 containers  device 1  capability 0  mount 0  file 0  LOST 7"
	count()
	count() // soon after: not again
	v.say("found")
	v.end()
	if want := eraseLine + line + eraseLine + "found\n" + line + "\n"; out.String() != want {
		t.Errorf("got  %q\nwant %q", &out, want)
	}
}

// A container is privileged if it was given every device.
func TestPrivileged(t *testing.T) {
	for text, want := range map[string]bool{
		`{"linux":{"resources":{"devices":[{"allow":true,"access":"rwm"}]}}}`:                      true,
		`{"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"}]}}}`:                     false,
		`{"linux":{"resources":{"devices":[{"allow":true,"type":"c","major":1,"access":"rwm"}]}}}`: false,
		`{"linux":{"resources":{"devices":[{"allow":true,"type":"c","access":"m"}]}}}`:             false,
		`{"linux":{}}`: false,
		`x`:            false,
	} {
		if got := privileged(json.RawMessage(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
