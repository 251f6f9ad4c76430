// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recorder

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
)

// Event is what a program tells.
type Event struct{ raw rawEvent }

// rawEvent is struct event of bpf/learn.bpf.c.
type rawEvent struct {
	Cgroup  uint64
	A, B    uint64
	Kind    uint32
	Result  int32
	Call    uint32
	_       uint32
	Program [16]byte
	Name    [32]byte
	Path    [256]byte
}

const eventSize = 344 // bytes

// parse reads an event without reflection: a container may flood the recorder with them.
func parse(b []byte) (*Event, error) {
	e := &Event{}
	r := &e.raw
	if len(b) < eventSize {
		return nil, fmt.Errorf("reading an event: it has %d bytes", len(b))
	}
	order := binary.NativeEndian
	r.Cgroup, r.A, r.B = order.Uint64(b), order.Uint64(b[8:]), order.Uint64(b[16:])
	r.Kind, r.Result, r.Call = order.Uint32(b[24:]), int32(order.Uint32(b[28:])), order.Uint32(b[32:]) //nolint:gosec // the same bits
	b = b[40:]
	b = b[copy(r.Program[:], b):]
	copy(r.Path[:], b[copy(r.Name[:], b):])
	return e, nil
}

// enum kind of bpf/learn.bpf.c
const (
	kindContainer = iota + 1
	kindDevice
	kindOpened
	kindDenied
	kindFile
	kindNode
	kindCapability
	kindMount
	kindRlimit
	kindSocket
	kindNamespaces
	kindCgroup
	kindRefused
)

// Cgroup is the id of the container's.
func (e *Event) Cgroup() uint64 { return e.raw.Cgroup }

// Made returns the path of a container's cgroup that was made; "" for other events.
func (e *Event) Made() string {
	if e.raw.Kind != kindContainer {
		return ""
	}
	return text(e.raw.Path[:])
}

// Evidence is the event in the terms of evidence.
func (e *Event) Evidence() evidence.Event {
	r := &e.raw
	out := evidence.Event{Program: text(r.Program[:]), Path: text(r.Path[:]), Error: errorName(r.Result)}
	if r.Call != noCall {
		out.Call = callName(r.Call)
	}
	switch r.Kind {
	case kindDevice:
		out.Type, out.Device, out.Access = evidence.Device, device(r.A), access(r.B)
	case kindOpened:
		out.Type, out.Device, out.Access = evidence.Opened, device(r.A), access(r.B)
	case kindDenied:
		out.Type, out.Device, out.Access = evidence.Denied, device(r.A), cgroupAccess(r.B)
	case kindFile:
		out.Type, out.Filesystem, out.Access = evidence.File, fileSystems[r.A], access(r.B)
	case kindNode:
		out.Type, out.Device = evidence.Mknod, device(r.A)
	case kindCapability:
		out.Type, out.Capability, out.Optional = evidence.Capability, capabilityName(r.A), r.B&4 != 0
		out.Over = evidence.OverOther
		if r.B&2 != 0 {
			out.Over = evidence.OverOwn
		}
		if r.B&1 != 0 {
			out.Over = evidence.OverNode
		}
	case kindMount:
		out.Type, out.Filesystem = evidence.Mount, text(r.Name[:])
	case kindRlimit:
		out.Type, out.Limit, out.Value = evidence.Rlimit, limitName(r.A), r.B
	case kindSocket:
		out.Type, out.Socket = evidence.Socket, socketName(r.A, r.B)
	case kindNamespaces:
		out.Type = evidence.Namespaces
		for _, n := range namespaces {
			if r.A&n.flag != 0 {
				out.Names = append(out.Names, n.name)
			}
		}
	case kindCgroup:
		out.Type = evidence.Cgroup
	case kindRefused:
		out.Type = evidence.Refused
	}
	return out
}

// text is what stands before the first zero, as valid UTF-8.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(b), "\ufffd")
}

const (
	noCall = ^uint32(0)
	block  = 1 << 32 // beside a device's numbers, as the kernel packs them
)

func device(packed uint64) string {
	kind := "c"
	if packed&block != 0 {
		kind = "b"
	}
	packed &^= block
	return fmt.Sprintf("%s %d:%d", kind, packed>>20, packed&0xfffff)
}

// access by FMODE_READ and FMODE_WRITE.
func access(mode uint64) string { return []string{"", "r", "w", "rw"}[mode&3] }

// cgroupAccess by DEVCG_ACC_MKNOD, _READ and _WRITE.
func cgroupAccess(bits uint64) string {
	out := ""
	for i, letter := range []string{"m", "r", "w"} {
		if bits&(1<<i) != 0 {
			out += letter
		}
	}
	return out
}

var fileSystems = map[uint64]string{unix.PROC_SUPER_MAGIC: "proc", unix.SYSFS_MAGIC: "sysfs", unix.CGROUP2_SUPER_MAGIC: "cgroup"}

func errorName(result int32) string {
	if result == 0 {
		return ""
	}
	if name := unix.ErrnoName(unix.Errno(-result)); result < 0 && name != "" {
		return name
	}
	return fmt.Sprint(result)
}

func socketName(familyAndType, protocol uint64) string {
	switch {
	case familyAndType&0xffffffff == unix.SOCK_DGRAM && protocol == unix.IPPROTO_ICMP:
		return "icmp"
	case familyAndType&0xffffffff == unix.SOCK_DGRAM:
		return "icmpv6"
	}
	if familyAndType>>32 == unix.AF_PACKET {
		return "packet"
	}
	return "raw"
}

var namespaces = []struct {
	flag uint64
	name string
}{{unix.CLONE_NEWCGROUP, "cgroup"}, {unix.CLONE_NEWIPC, "ipc"}, {unix.CLONE_NEWNS, "mount"}, {unix.CLONE_NEWNET, "network"},
	{unix.CLONE_NEWPID, "pid"}, {unix.CLONE_NEWTIME, "time"}, {unix.CLONE_NEWUSER, "user"}, {unix.CLONE_NEWUTS, "uts"}}
