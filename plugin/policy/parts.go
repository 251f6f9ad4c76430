// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Part is one change of an adjustment, small enough to be said on a line.
type Part struct {
	Field string // what it changes: a path in the OCI spec, or "node"
	Text  string // "+" what comes, "-" what goes, "=" what is set
	// Only is the part as an adjustment of its own.
	Only Adjustment
}

// Fields of what is not in a spec.
const (
	NodeField = "node" // is done on the node itself
	CDIField  = "CDI"  // the runtime looks up what the name stands for
)

// Parts takes an adjustment apart. Put together again, the parts are the whole.
func (a *Adjustment) Parts() []Part {
	var out []Part
	add := func(only Adjustment, field, format string, args ...any) {
		out = append(out, Part{Field: field, Text: fmt.Sprintf(format, args...), Only: only})
	}
	for _, d := range a.Devices {
		add(Adjustment{Devices: []Device{d}}, "linux.devices", "+ %s", d.words())
	}
	mounts := a.shadowParts(add)
	for _, m := range mounts {
		add(Adjustment{Mounts: []specs.Mount{m}}, "mounts", "+ %s at %s (%s)", m.Type, m.Destination, strings.Join(m.Options, ","))
	}
	for _, r := range a.DeviceRules {
		add(Adjustment{DeviceRules: []specs.LinuxDeviceCgroup{r}}, "linux.resources.devices", "+ %s", ruleWords(&r))
	}
	for _, name := range a.CDIDevices {
		add(Adjustment{CDIDevices: []string{name}}, CDIField, "+ %s", name)
	}
	for _, at := range a.AdoptDevices {
		add(Adjustment{AdoptDevices: []string{at}}, "linux.devices", "= %s belongs to the process's user", at)
	}
	for _, name := range a.Capabilities.Add {
		add(Adjustment{Capabilities: Capabilities{Add: []string{name}}}, "process.capabilities", "+ %s", name)
	}
	for _, name := range a.Capabilities.Drop {
		add(Adjustment{Capabilities: Capabilities{Drop: []string{name}}}, "process.capabilities", "- %s", name)
	}
	for _, r := range a.Seccomp {
		add(Adjustment{Seccomp: []SeccompRule{r}}, "linux.seccomp", "+ %s", r.words())
	}
	for _, name := range slices.Sorted(maps.Keys(a.Sysctls)) {
		add(Adjustment{Sysctls: map[string]string{name: a.Sysctls[name]}}, "linux.sysctl", "= %s = %q", name, a.Sysctls[name])
	}
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		add(Adjustment{Env: map[string]string{name: a.Env[name]}}, "process.env", "= %s=%s", name, a.Env[name])
	}
	for _, kind := range a.Namespaces {
		add(Adjustment{Namespaces: []specs.LinuxNamespaceType{kind}}, "linux.namespaces", "+ %s", kind)
	}
	if c := a.Cgroup; c != nil {
		add(Adjustment{Cgroup: c}, NodeField, "= %s owned by %d:%d before the start", c.Path, c.UID, c.GID)
	}
	if a.ProcUnmasked {
		add(Adjustment{ProcUnmasked: true}, "linux.maskedPaths", "- everything, linux.readonlyPaths too")
	}
	return out
}

// shadowParts adds each shadow node together with the mount that binds it, and
// returns the other mounts.
func (a *Adjustment) shadowParts(add func(only Adjustment, field, format string, args ...any)) []specs.Mount {
	mounts := slices.Clone(a.Mounts)
	for _, n := range a.ShadowNodes {
		add(Adjustment{ShadowNodes: []ShadowNode{n}}, NodeField, "+ %s %s %d:%d mode %04o owner %s", n.Path,
			n.Type, n.Major, n.Minor, n.Mode.Perm(), ownerWords(n.UID, n.GID, n.Process))
		at := slices.IndexFunc(mounts, func(m specs.Mount) bool { return m.Source == n.Path })
		if at >= 0 {
			add(Adjustment{Mounts: []specs.Mount{mounts[at]}}, "mounts", "+ %s bound to %s", n.ContainerPath, n.Path)
			mounts = slices.Delete(mounts, at, at+1)
		}
		if n.Replaces {
			add(Adjustment{ShadowNodes: []ShadowNode{n}}, "linux.devices", "- %s, in whose place the other is bound", n.ContainerPath)
		}
	}
	return mounts
}

func (d *Device) words() string {
	text := fmt.Sprintf("%s %s %d:%d %s", d.Path, d.Type, d.Major, d.Minor, d.Access)
	if d.FileMode != nil {
		text += fmt.Sprintf(" mode %04o", d.FileMode.Perm())
	}
	if d.UID != nil && d.GID != nil {
		text += " owner " + ownerWords(*d.UID, *d.GID, d.Process)
	}
	return text
}

// ownerWords reads as chown takes it; an id that the wrapper finds is "user".
func ownerWords(uid, gid uint32, of Process) string {
	return idWords(uid, of.UID) + ":" + idWords(gid, of.GID)
}

func idWords(id uint32, ofProcess bool) string {
	if ofProcess {
		return "user"
	}
	return strconv.FormatUint(uint64(id), 10)
}

// RuleText writes what a rule is about as a policy and "docker run
// --device-cgroup-rule" have it: "c 188:* rw".
func RuleText(r *specs.LinuxDeviceCgroup) string {
	number := func(n *int64) string {
		if n == nil || *n < 0 {
			return "*"
		}
		return strconv.FormatInt(*n, 10)
	}
	return fmt.Sprintf("%s %s:%s %s", r.Type, number(r.Major), number(r.Minor), r.Access)
}

func ruleWords(r *specs.LinuxDeviceCgroup) string {
	if !r.Allow {
		return "deny " + RuleText(r)
	}
	return RuleText(r)
}

var comparisons = map[specs.LinuxSeccompOperator]string{
	specs.OpNotEqual: "!=", specs.OpLessThan: "<", specs.OpLessEqual: "<=",
	specs.OpEqualTo: "=", specs.OpGreaterEqual: ">=", specs.OpGreaterThan: ">",
}

func (r *SeccompRule) words() string {
	const most = 12 // names, on one line
	text := "allow "
	if r.Denies() {
		text = r.ErrnoName + " for "
	}
	if more := len(r.Syscalls) - most; more > 0 {
		text += fmt.Sprintf("%s and %d more", strings.Join(r.Syscalls[:most], ", "), more)
	} else {
		text += strings.Join(r.Syscalls, ", ")
	}
	var conditions []string
	for _, a := range r.Args {
		if a.Op == specs.OpMaskedEqual {
			conditions = append(conditions, fmt.Sprintf("argument %d & %#o = %#o", a.Index, a.Value, a.ValueTwo))
			continue
		}
		conditions = append(conditions, fmt.Sprintf("argument %d %s %d", a.Index, comparisons[a.Op], a.Value))
	}
	if len(conditions) > 0 {
		text += " where " + strings.Join(conditions, " and ")
	}
	return text
}
