// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var cgroupKind = kind{
	own: func(e *merged, p *Profile) {
		if p.CgroupWritable {
			e.cgroupWritableBy = p.Name
		}
	},
	merge: func(e, other *merged, _ string) *conflict {
		e.cgroupWritableBy = cmp.Or(e.cgroupWritableBy, other.cgroupWritableBy)
		return nil
	},
	decide: (*decider).cgroup,
	outline: func(a *Adjustment, p *Profile) {
		if p.CgroupWritable {
			a.Cgroup = &CgroupDelegation{}
		}
	},
}

// cgroupMount is where a container sees its cgroups.
const cgroupMount = "/sys/fs/cgroup"

// cgroup gives the container its own cgroup to manage: in a cgroup namespace,
// mounted read-write, and owned by its root. What bounds that is, with a user
// namespace, who owns the files: the limits stay the node's. Without one the
// container's root is the node's, and only the kernel's own boundary will do:
// nsdelegate.
//
// The controllers of cgroup v1 know no such boundary, nor are they safe to give
// away; there the container gets its part of the hierarchy named systemd, which
// has no controller, and all others stay read-only.
func (d *decider) cgroup() error {
	by := d.merged.cgroupWritableBy
	if by == "" {
		return nil
	}
	have := d.facts.Host.Cgroup
	switch {
	case !have.OK:
		return d.refuse(UnknownFact, by, "would get a writable cgroup by profile %q, and no cgroups were found at %s of the node", by, cgroupMount)
	case have.Value.Mount == "":
		return d.refuse(Unmet, by, "would get a writable cgroup by profile %q, for which a node with cgroup v1 needs the hierarchy named systemd",
			by).Advise("mount it there (mount -t cgroup -o none,name=systemd cgroup %s/systemd), or use cgroup v2", cgroupMount)
	case d.userNamespaceRequired() != nil:
		return nil // it is refused for that, and with one it would be safe
	case have.Value.Version == CgroupV2 && !d.userNamespace() && !have.Value.NSDelegate:
		return d.refuse(Unmet, by, "would get a writable cgroup by profile %q, which without a user namespace is safe only where cgroup2 is mounted with nsdelegate",
			by).Advise("set hostUsers: false in the pod's spec, or mount it so on the node (mount -o remount,nsdelegate %s)", cgroupMount)
	}
	if err := d.cgroupProcesses(have.Value.Version, by); err != nil {
		return err
	}
	for _, m := range d.facts.Container.Mounts {
		at := absolute(m.Destination)
		if m.Type != "cgroup" && (at == cgroupMount || strings.HasPrefix(at, cgroupMount+"/")) {
			return d.refuse(Occupied, by, "would get a writable cgroup by profile %q, and mounts something of its own at %s", by, at).Advise("take that mount out of the pod's spec")
		}
	}
	below, err := cgroupBelow(d.facts.Container.CgroupsPath, d.facts.Container.ID)
	if err != nil {
		return d.refuse(UnknownFact, by, "would get a writable cgroup by profile %q, and its cgroup is not known: %s", by, err)
	}
	at := have.Value.Mount + below
	own := specs.LinuxNamespace{Type: specs.CgroupNamespace}
	if !slices.Contains(d.facts.Container.Namespaces, own) {
		d.out.Namespaces = []specs.LinuxNamespaceType{own.Type}
	}
	d.out.Mounts = append(d.out.Mounts, cgroupMountOf(have.Value.Version, at))
	if !d.userNamespace() {
		return nil // the container's root owns it already
	}
	if have.Value.ReadOnly {
		return d.refuse(Internal, by, "would get a writable cgroup by profile %q, and nodegate cannot write to %s of the node", by, have.Value.Mount).Advise("mount it read-write for the agent")
	}
	return d.delegate(at)
}

// cgroupProcesses refuses a container that sees the node's processes on cgroup v1:
// whoever may write a cgroup.procs there moves each process that it can name into
// it, and the removal of the pod would wait for those of the node. cgroup v2 asks
// for the cgroup that the process comes from as well.
func (d *decider) cgroupProcesses(version CgroupVersion, by string) error {
	in := d.facts.Container.PIDNamespace
	switch {
	case version != CgroupV1:
		return nil
	case !in.OK:
		return d.refuse(UnknownFact, by, "would get a writable cgroup by profile %q, into which it could move the node's processes on cgroup v1 if it shares their PID namespace, and the runtime does not tell that", by)
	case in.Value == NodePID:
		return d.refuse(Unmet, by, "would get a writable cgroup by profile %q, into which it could move the node's processes on cgroup v1, since it shares their PID namespace", by).Advise("leave hostPID out of the pod's spec")
	}
	return nil
}

func cgroupMountOf(version CgroupVersion, at string) specs.Mount {
	options := []string{"nosuid", "noexec", "nodev", "relatime", "rw"}
	if version == CgroupV2 {
		return specs.Mount{Destination: cgroupMount, Type: "cgroup", Source: "cgroup", Options: options}
	}
	return specs.Mount{Destination: cgroupMount + "/systemd", Type: "bind", Source: at, Options: append(options, "bind")}
}

func (d *decider) delegate(at string) error {
	to := CgroupDelegation{Path: at}
	var err error
	if to.UID, err = mapID(d.facts.Host.UIDMap, 0); err == nil {
		to.GID, err = mapID(d.facts.Host.GIDMap, 0)
	}
	if err != nil {
		return d.refuse(Unmapped, "", "would get a writable cgroup, and the id of its root on the node %s", err)
	}
	d.out.Cgroup = &to
	return nil
}
