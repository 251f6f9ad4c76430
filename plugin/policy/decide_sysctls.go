// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var sysctlsKind = kind{
	own: func(e *merged, p *Profile) { e.sysctls = source(p.Sysctls, p.Name) },
	merge: func(e, other *merged, asked string) *conflict {
		return mergeValues(&e.sysctls, other.sysctls, asked, "sysctls", "sysctl")
	},
	decide:  (*decider).sysctls,
	outline: func(a *Adjustment, p *Profile) { a.Sysctls = p.Sysctls },
}

// SysctlNamespace returns the namespace that a sysctl belongs to, or false for
// one that is the whole node's, which no container may set.
func SysctlNamespace(name string) (specs.LinuxNamespaceType, bool) {
	switch name {
	case "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced":
		return specs.IPCNamespace, true
	case "kernel.domainname":
		return specs.UTSNamespace, true
	}
	switch {
	case strings.HasPrefix(name, "net."):
		return specs.NetworkNamespace, true
	case strings.HasPrefix(name, "fs.mqueue."):
		return specs.IPCNamespace, true
	}
	return "", false
}

// sysctls fills in the values. Their namespaces belong to the whole pod: its
// containers must agree, and where it shares the node's, the sysctl would be
// the node's own, which the runtime rightly refuses to set.
func (d *decider) sysctls() error {
	for _, name := range sortedKeys(d.merged.sysctls) {
		v := d.merged.sysctls[name]
		ns, _ := SysctlNamespace(name)
		if c := &d.facts.Container; !c.HostNamespaces.OK || slices.Contains(c.MaybeHost, ns) {
			return d.refuse(UnknownFact, name, "would get sysctl %s of profile %q, which would be the node's own if the pod shares the node's %s namespace, and the runtime does not tell",
				name, v.profile, ns)
		}
		if slices.Contains(d.facts.Container.HostNamespaces.Value, ns) {
			if v.asked != "" {
				return d.refuse(HostNamespace, v.asked, "asks for profile %q, whose sysctl %s would be the node's own: the pod shares the node's %s namespace",
					v.asked, name, ns)
			}
			d.note(LeftOut, v.profile, fmt.Sprintf("sysctl %s: the pod shares the node's %s namespace", name, ns))
			continue
		}
		value, err := d.expand(v.value)
		if err != nil {
			return d.refuse(idCode(err), name, "would get sysctl %s = %q of profile %q, but %s", name, v.value, v.profile, err)
		}
		if given, ok := d.facts.Container.PodSysctls[name]; ok && given.Value != value {
			return d.refuse(Conflict, name, "would get sysctl %s = %q of profile %q, but it holds for the whole pod, and container %q has %q",
				name, value, v.profile, given.Container, given.Value)
		}
		if d.out.Sysctls == nil {
			d.out.Sysctls = map[string]string{}
		}
		d.out.Sysctls[name] = value
	}
	return nil
}

// expand replaces {max_uid} and {max_gid} by the last id up to which the pod's
// user namespace has every id.
func (d *decider) expand(value string) (string, error) {
	everyone := Is([]specs.LinuxIDMapping{{Size: 1<<32 - 1}})
	for _, x := range []struct {
		placeholder string
		ids         Known[[]specs.LinuxIDMapping]
	}{{"{max_uid}", d.facts.Host.UIDMap}, {"{max_gid}", d.facts.Host.GIDMap}} {
		if !strings.Contains(value, x.placeholder) {
			continue
		}
		if !d.userNamespace() && !x.ids.OK {
			x.ids = everyone
		}
		id, err := maxID(x.ids)
		if err != nil {
			return "", fmt.Errorf("%s %w", x.placeholder, err)
		}
		value = strings.ReplaceAll(value, x.placeholder, strconv.FormatUint(uint64(id), 10))
	}
	return value, nil
}
