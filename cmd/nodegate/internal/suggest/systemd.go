// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
)

// systemdProfile is what systemd needs as a container's first program. As root of the node
// it does more at its start, and goes on where it cannot.
const systemdProfile = "systemd"

// systemd takes out of what was observed what systemd itself did, and asks for its profile,
// where it is a container's first program: it makes a cgroup for itself then.
func (r *reading) systemd(e *evidence.Container) *evidence.Container {
	first := slices.IndexFunc(e.Events, func(v evidence.Event) bool {
		return v.Type == evidence.Cgroup && v.Program == "systemd" && v.Path == "init.scope" && v.Error == ""
	})
	if first < 0 {
		return e
	}
	r.need(Ask{What: "systemd as its first program", From: "makes cgroups " + e.Events[first].By(), cgroup: true, profile: systemdProfile})
	r.note("what systemd and its own programs did at the start is left out: without privileges it does without")
	out, capable := &evidence.Container{Privileged: e.Privileged}, false
	for _, v := range e.Events {
		if v.Type != evidence.Calls && !bySystemd(&v) {
			out.Events = append(out.Events, v)
			capable = capable || v.Type == evidence.Capability || v.Type == evidence.Mount
		}
	}
	if capable { // whose system calls they are is not known
		for _, v := range e.Of(evidence.Calls) {
			out.Events = append(out.Events, *v)
		}
	}
	return out
}

// systemdStarts are programs that systemd starts of itself, and those that speak to it.
var systemdStarts = []string{"agetty", "dbus-broker", "dbus-broker-lau", "dbus-daemon", "init", "journalctl", "kmod", "login", "loginctl", "modprobe",
	"mount", "sulogin", "systemctl", "systemd", "udevadm", "umount"}

// bySystemd reports whether systemd did something itself, or by what it starts of itself:
// its generators, terminals, and mount for the file systems of the kernel.
func bySystemd(e *evidence.Event) bool {
	return slices.Contains(systemdStarts, e.Program) || strings.HasPrefix(e.Program, "systemd-") || strings.HasPrefix(e.Program, "(")
}
