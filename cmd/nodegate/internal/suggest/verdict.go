// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"path"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
)

// Verdict is what a run under the proposal showed of one thing.
type Verdict struct {
	Entry
	Result Result `json:"result"`
}

// Result is one of three.
type Result string

// What is unknown was not asked for in this run, or shows in no event.
const (
	Used    Result = "allowed, used"
	Denied  Result = "denied"
	Unknown Result = "unknown: it was not used in this run"
)

// Judge says of each entry of a container whether a run used it, and then what the run was
// denied, but for what was denied to it with all privileges as well. before is what was
// observed then; nil for nothing.
func (c *Container) Judge(run, before *evidence.Container) []Verdict {
	var out []Verdict
	for i := range c.Asks {
		a := &c.Asks[i]
		if a.By == "" {
			continue
		}
		for _, e := range a.entries(c.Name) {
			out = append(out, Verdict{e, a.result(e, run)})
		}
	}
	had := map[string]bool{}
	for _, e := range denials(before) {
		had[e.Text()] = true
	}
	for _, e := range denials(run) {
		v := Verdict{Entry{c.Name, e.Text()}, Denied}
		if !had[e.Text()] && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// result is whether a run used what an ask is for.
func (a *Ask) result(of Entry, run *evidence.Container) Result {
	if run == nil {
		return Unknown
	}
	if name, ok := strings.CutPrefix(of.What, oneCall); ok {
		for _, e := range run.Of(evidence.Calls) {
			if slices.Contains(e.Names, name) {
				return Used // those that seccomp denies are not made
			}
		}
		return Unknown
	}
	for i := range run.Events {
		if e := &run.Events[i]; e.Error == "" && a.isUsedBy(e) {
			return Used
		}
	}
	return Unknown
}

func (a *Ask) isUsedBy(e *evidence.Event) bool {
	switch e.Type {
	case evidence.Device:
		return a.target != "" && path.Clean(e.Path) == a.target
	case evidence.Capability:
		return a.capability != "" && e.Capability == a.capability && !e.Optional && e.Over != evidence.OverOther
	case evidence.Cgroup:
		return a.cgroup
	case evidence.Mount:
		return a.unmasked && e.Filesystem == "proc"
	case evidence.File:
		return a.cgroup && e.Filesystem == "cgroup" && strings.Contains(e.Access, "w") || a.unmasked && e.Filesystem == "proc" &&
			(below(e.Path, masked) || strings.Contains(e.Access, "w") && below(e.Path, namespaced))
	case evidence.Socket:
		return a.sysctl == "net.ipv4.ping_group_range" && strings.HasPrefix(e.Socket, "icmp")
	}
	return false
}

// denied reports whether the kernel said that somebody may not.
func denied(e *evidence.Event) bool {
	return slices.Contains([]string{"EPERM", "EACCES", "EROFS"}, e.Error) || e.Type == evidence.Refused && !e.Foreseen()
}

// denials are what was denied of what a program went for: not what the kernel itself only
// tried, nor what it asks next by another capability.
func denials(c *evidence.Container) []*evidence.Event {
	if c == nil {
		return nil
	}
	return slices.DeleteFunc(c.Of(evidence.Device, evidence.Denied, evidence.Mknod, evidence.Capability, evidence.Mount, evidence.File, evidence.Socket, evidence.Cgroup, evidence.Namespaces, evidence.Refused),
		func(e *evidence.Event) bool {
			return !denied(e) || e.Optional ||
				e.Type == evidence.Capability && e.Capability == "DAC_READ_SEARCH" && e.Call != "open_by_handle_at"
		})
}
