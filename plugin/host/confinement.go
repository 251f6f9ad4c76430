// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
)

// ConfinedError says that the device cgroup around this process denies devices
// that a policy grants, as it does on a node that is a container itself.
type ConfinedError struct {
	Denied []Denied // not empty

	// AgentAlone is true where the node has what this process is denied: the
	// device cgroup of an agent's own container binds no other one. It is unknown
	// to an agent in a container on cgroup v2.
	AgentAlone policy.Known[bool]
}

// Denied is a device, or a range of them, and what is denied of it.
type Denied struct {
	Path string                  // on the node; "" for a device-cgroup rule
	Rule specs.LinuxDeviceCgroup // its access is what is denied, of "rwm"
	Call string                  // the first system call that was refused
}

// String is "/dev/fuse (c 10:229 rwm)", or the rule alone.
func (d Denied) String() string {
	rule := change.RuleText(&d.Rule)
	if d.Path == "" {
		return rule
	}
	return d.Path + " (" + rule + ")"
}

func (e *ConfinedError) Error() string {
	list := make([]string, len(e.Denied))
	for i, d := range e.Denied {
		list[i] = d.String()
	}
	whose := "the agent"
	if e.AgentAlone.OK && !e.AgentAlone.Value {
		whose = "the node"
	}
	return fmt.Sprintf("the device cgroup of %s denies what the policy grants: %s (%s: %s)",
		whose, strings.Join(list, ", "), e.Denied[0].Call, unix.EPERM)
}

// Unwrap returns the system call's error.
func (e *ConfinedError) Unwrap() error { return unix.EPERM }

// Remedy says what to do about it; "" if there is nothing to do.
func (e *ConfinedError) Remedy() string {
	const allow = `allow it where the node is started: "nodegate render systemd" prints the properties for systemd and systemd-nspawn, and other runtimes take them as device-cgroup rules`
	switch {
	case !e.AgentAlone.OK:
		return "if the agent's own container alone has this cgroup, nothing is lost; if the whole node has it, " + allow
	case e.AgentAlone.Value:
		return ""
	}
	return allow
}

// Confinement finds out which of the devices that a policy needs the device
// cgroup around this process denies, and returns nil or a [*ConfinedError]. That no device
// nodes can be made at all, in a user namespace for one, is what [NewShadows]
// says; then shadows is nil, and only devices that exist are looked at.
//
// It tries: a node with the device's number is made in the shadow directory,
// and access(2) asks about it. No device is opened, whatever its driver would
// do then. Of a range it tries both ends. See
// docs/decisions.md, "Confinement is tried".
func (h *Host) Confinement(shadows *Shadows, needs policy.Needs) error {
	var denied []Denied
	try := func(name string, rule specs.LinuxDeviceCgroup) {
		d := Denied{Path: name, Rule: rule}
		d.Rule.Access = ""
		for _, number := range ends(rule) {
			h.try(shadows, &d, number, rule.Access)
		}
		if d.Rule.Access != "" {
			denied = append(denied, d)
		}
	}
	for _, rule := range needs.Devices {
		// What is absent, or no device, is told of when a container asks for it.
		for _, node := range h.LookupDevice(rule.Selector()).Nodes {
			try(node.Path, specs.LinuxDeviceCgroup{Type: node.Type, Major: &node.Major, Minor: &node.Minor, Access: rule.Access})
		}
	}
	for _, rule := range needs.DeviceRules {
		try("", rule)
	}
	if denied == nil {
		return nil
	}
	return &ConfinedError{Denied: denied, AgentAlone: h.agentAlone(denied)}
}

// try adds to d what is denied of one device number.
func (h *Host) try(shadows *Shadows, d *Denied, number uint64, access string) {
	deny := func(letter, call string) {
		if !strings.Contains(d.Rule.Access, letter) {
			d.Rule.Access += letter
		}
		if d.Call == "" {
			d.Call = fmt.Sprintf("%s %s %d:%d", call, d.Rule.Type, unix.Major(number), unix.Minor(number))
		}
	}
	asked := false
	ask := func(node string) error {
		asked = true
		// EACCES would be about the node's owner and mode: it says nothing here.
		if strings.Contains(access, "r") && unix.Access(node, unix.R_OK) == unix.EPERM {
			deny("r", "access R_OK of")
		}
		if strings.Contains(access, "w") && unix.Access(node, unix.W_OK) == unix.EPERM {
			deny("w", "access W_OK of")
		}
		return nil
	}
	var err error
	if shadows != nil {
		err = shadows.withNode(d.Rule.Type, number, ask)
	}
	if !asked && d.Path != "" {
		if fd, err := h.open(d.Path, unix.O_PATH); err == nil {
			_ = ask(descriptorPath(fd))
			closeFD(fd)
		}
	}
	// Whatever the policy says of m: the agent, the runtime or the container has
	// to make the node.
	if errors.Is(err, unix.EPERM) {
		deny("m", "mknod of")
	}
}

// ends are the lowest and the highest device number that a rule is about.
func ends(rule specs.LinuxDeviceCgroup) []uint64 {
	number := func(wildMajor, wildMinor uint32) uint64 {
		if rule.Major != nil {
			wildMajor = uint32(*rule.Major)
		}
		if rule.Minor != nil {
			wildMinor = uint32(*rule.Minor)
		}
		return unix.Mkdev(wildMajor, wildMinor)
	}
	// 0:0 is not a device: the kernel asks no cgroup about it.
	return slices.Compact([]uint64{number(1, 0), number(1<<12-1, 1<<20-1)})
}
