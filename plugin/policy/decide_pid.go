// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// PIDNamespace says whose processes a container sees, and can trace where it
// runs as the same user.
type PIDNamespace string

// The PID namespaces that a container can be in.
const (
	OwnPID   PIDNamespace = "own"
	OtherPID PIDNamespace = "other" // the pod sandbox's, or another container's
	NodePID  PIDNamespace = "node"
)

// PIDNamespaceOf reads the list of a container's namespaces, and that of its pod's
// sandbox: a container of a pod with hostPID joins the sandbox's, which is the
// node's. No list at all means that none was told.
func PIDNamespaceOf(own, pod []specs.LinuxNamespace) (unknown Known[PIDNamespace]) {
	isPID := func(n specs.LinuxNamespace) bool { return n.Type == specs.PIDNamespace }
	i := slices.IndexFunc(own, isPID)
	switch {
	case len(own) == 0:
		return unknown
	case i < 0:
		return Is(NodePID)
	case own[i].Path == "":
		return Is(OwnPID)
	case len(pod) == 0:
		return unknown
	case !slices.ContainsFunc(pod, isPID):
		return Is(NodePID)
	}
	return Is(OtherPID)
}

// processes refuses a container that would be denied something and shares its
// PID namespace with processes that are not: by ptrace, or by their files below
// /proc, it can make them do that in its place. The sandbox's own process has
// the runtime's default seccomp profile and capabilities, whatever a plugin
// answers, since the runtime asks plugins about containers only.
func (d *decider) processes() error {
	denied := Denied(&d.out, d.userNamespace())
	if len(denied) == 0 {
		return nil
	}
	what, by, in := strings.Join(denied, ", "), ByProfiles(d.profiles), d.facts.Container.PIDNamespace
	switch {
	case !in.OK:
		return d.refuse(UnknownFact, "", "would be denied %s%s, which a process that is not denied it could do in its place if they share a PID namespace, and the runtime does not tell that",
			what, by)
	case in.Value == OtherPID:
		return d.refuse(Unmet, "", "would be denied %s%s, and shares a PID namespace with a process that is not denied it and can be made to do it",
			what, by).Advise("leave shareProcessNamespace out of the pod's spec, and targetContainerName (kubectl debug --target) out of an ephemeral container")
	case in.Value == NodePID:
		return d.refuse(Unmet, "", "would be denied %s%s, and shares the node's PID namespace, where a process that is not denied it can be made to do it",
			what, by).Advise("leave hostPID out of the pod's spec")
	}
	return nil
}

// CheckProcesses returns the refusal of a container for the processes that it
// shares its PID namespace with, or nil. Decide asks the same, beside all else.
func (p *Policy) CheckProcesses(s Selection, f *Facts) error {
	d := decider{policy: p, facts: f, profiles: s.Profiles()}
	for _, k := range s.granted {
		if conflict := d.merged.merge(&k.profile.merged, k.asked()); conflict != nil {
			return nil // it is refused for that
		}
	}
	d.out.Capabilities, d.out.Seccomp = d.merged.capabilities, d.merged.seccompRules()
	return d.processes()
}

// Denied names the capabilities and system calls that an adjustment takes away,
// except what the kernel denies to a whole pod with a user namespace as well.
func Denied(a *Adjustment, userNamespace bool) []string {
	var out []string
	for _, name := range a.Capabilities.Drop {
		if name != "CAP_MKNOD" || !userNamespace {
			out = append(out, name)
		}
	}
	for _, r := range a.Seccomp {
		if !r.Denies() || userNamespace && onlyDeviceNodes(&r) {
			continue
		}
		for _, call := range r.Syscalls {
			if !slices.Contains(out, call) {
				out = append(out, call)
			}
		}
	}
	return out
}

// onlyDeviceNodes reports whether a rule is about making device nodes and nothing
// else. In a user namespace the kernel lets nobody make one, whiteouts apart,
// which nothing can open: https://github.com/torvalds/linux/blob/v6.12/fs/namei.c
// (vfs_mknod).
func onlyDeviceNodes(r *SeccompRule) bool {
	const format, block, char = 0o170000, 0o060000, 0o020000 // S_IFMT, S_IFBLK, S_IFCHR
	modes := map[string]uint{"mknod": 1, "mknodat": 2}
	for _, call := range r.Syscalls {
		mode, ok := modes[call]
		if !ok || !slices.ContainsFunc(r.Args, func(a specs.LinuxSeccompArg) bool {
			return a.Index == mode && a.Op == specs.OpMaskedEqual && a.Value == format && (a.ValueTwo == block || a.ValueTwo == char)
		}) {
			return false
		}
	}
	return true
}
