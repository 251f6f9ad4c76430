// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Version is that of the format.
const Version = 1

// Recording is what was observed in one go.
type Recording struct {
	Recorder    string
	From, To    time.Time
	Ended       bool     // else the file stops before the recording did
	Lost        uint64   // events that the recorder had no room for
	NotRecorded []string // what this recorder or the node's kernel cannot observe
	Containers  []*Container
}

// Container is a container, and what was observed of it.
type Container struct {
	ID         string `json:"id"`
	Namespace  string `json:"namespace"`
	Pod        string `json:"pod"`
	Name       string `json:"name"`
	Privileged bool   `json:"privileged"`
	FromStart  bool   `json:"fromStart"` // else it ran before, unobserved

	Events  []Event `json:"-"`
	Omitted int     `json:"omitted,omitempty"` // events above the bound

	has map[string]bool // by key
}

// The types of events.
const (
	Device     = "device"     // opened: Device, Path, Node, Access
	Opened     = "opened"     // what its driver answered: Device, Access
	Denied     = "denied"     // by the device cgroup: Device, Access
	Mknod      = "mknod"      // Device; Path is the last part of the name
	Capability = "capability" // Capability, Over, Optional
	Mount      = "mount"      // Filesystem, Path is the source
	File       = "file"       // of proc, sysfs, cgroup: Filesystem, Path, Access
	Rlimit     = "rlimit"     // Limit, Value
	Socket     = "socket"     // Socket
	Namespaces = "namespaces" // Names
	Cgroup     = "cgroup"     // made below the container's: Path is its name
	Refused    = "refused"    // a system call that seccomp answered: Call, Error
	Calls      = "calls"      // Names of all system calls made
)

var types = []string{Device, Opened, Denied, Mknod, Capability, Mount, File, Rlimit, Socket, Namespaces, Cgroup, Refused, Calls}

// The user namespaces over which a capability is asked for.
const (
	OverNode  = "node"  // the node's own
	OverOwn   = "own"   // the program's, which is not the node's
	OverOther = "other" // another one, such as one that the program made
)

// Event is one thing that was observed, however often it happened.
type Event struct {
	Type    string `json:"type"`
	Program string `json:"program,omitempty"` // as it calls itself
	Call    string `json:"call,omitempty"`    // the system call
	Error   string `json:"error,omitempty"`   // such as EPERM; "" where it succeeded

	Device     string   `json:"device,omitempty"`     // "c 10:229"
	Path       string   `json:"path,omitempty"`       // as the container sees it
	Node       string   `json:"node,omitempty"`       // the device's path on the node that lasts longest
	Access     string   `json:"access,omitempty"`     // "r", "w", "rw"
	Capability string   `json:"capability,omitempty"` // without CAP_
	Over       string   `json:"over,omitempty"`
	Optional   bool     `json:"optional,omitempty"` // the kernel asks quietly, and goes on without
	Filesystem string   `json:"filesystem,omitempty"`
	Limit      string   `json:"limit,omitempty"` // such as "nofile"
	Value      uint64   `json:"value,omitempty"`
	Socket     string   `json:"socket,omitempty"` // "icmp", "icmpv6", "raw" or "packet"
	Names      []string `json:"names,omitempty"`
}

// Foreseen reports what the runtime's default profile refuses to every program, and programs
// know how to go on from: clone3, which they follow by clone.
func (e *Event) Foreseen() bool {
	return e.Type == Refused && e.Call == "clone3" && e.Error == "ENOSYS"
}

// MaxEvents bounds what is kept of one container.
const MaxEvents = 8192

// Add notes an event, once, and returns whether it is new.
func (c *Container) Add(e Event) bool {
	key := e.key()
	if c.has[key] {
		return false
	}
	if len(c.Events) >= MaxEvents {
		c.Omitted++
		return false
	}
	if c.has == nil {
		c.has = map[string]bool{}
	}
	c.has[key] = true
	c.Events = append(c.Events, e)
	return true
}

// key is the same for events that are.
func (e *Event) key() string {
	return strings.Join(append([]string{e.Type, e.Program, e.Call, e.Error, e.Device, e.Path, e.Node, e.Access, e.Capability, e.Over,
		strconv.FormatBool(e.Optional), e.Filesystem, e.Limit, strconv.FormatUint(e.Value, 10), e.Socket}, e.Names...), "\x00")
}

// Of are the events of some types.
func (c *Container) Of(types ...string) []*Event {
	var out []*Event
	for i := range c.Events {
		if slices.Contains(types, c.Events[i].Type) {
			out = append(out, &c.Events[i])
		}
	}
	return out
}
