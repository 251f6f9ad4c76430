// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/nri/pkg/api"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/policy"
)

// encoder translates an Adjustment into NRI's words, for a runtime that speaks
// a certain level of it.
type encoder struct {
	level   level
	cdi     bool
	seccomp policy.Known[*specs.LinuxSeccomp] // the container's own profile
	archs   []specs.Arch
}

// encode returns what NRI can carry, and what it cannot: as an Adjustment, and
// in words. The two parts together are the whole; nothing is in neither.
func (e encoder) encode(a *policy.Adjustment) (*api.ContainerAdjustment, policy.Adjustment, []string, error) {
	out := &api.ContainerAdjustment{}
	left := policy.Adjustment{
		Capabilities: a.Capabilities,
		AdoptDevices: a.AdoptDevices,
		ProcUnmasked: a.ProcUnmasked,
	}
	if err := e.encodeSeccomp(a, out, &left); err != nil {
		return nil, left, nil, err
	}
	e.encodeDevices(a, out, &left)
	e.encodeSysctls(a, out, &left)
	for _, n := range a.ShadowNodes {
		if n.Replaces || n.Process != (policy.Process{}) {
			left.ShadowNodes = append(left.ShadowNodes, n)
		}
	}
	for _, m := range a.Mounts {
		out.AddMount(&api.Mount{Destination: m.Destination, Type: m.Type, Source: m.Source, Options: m.Options})
	}
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		out.AddEnv(name, a.Env[name])
	}
	e.encodeNamespaces(a, out, &left)
	return out, left, e.words(&left), nil
}

// encodeDevices adds nodes and rules. NRI gives read and write access with
// every node that it adds, and mknod with a block device; what was not asked
// for is denied by a rule after it. The letter m alone is not worth a refusal
// where NRI has no rules: runc lets every container make any node, and only r
// and w decide about its use.
func (e encoder) encodeDevices(a *policy.Adjustment, out *api.ContainerAdjustment, left *policy.Adjustment) {
	rules := e.level.atLeast(levelRules)
	for _, d := range a.Devices {
		excess := without("rw", d.Access)
		if !rules && excess != "" || d.Process != (policy.Process{}) {
			left.Devices = append(left.Devices, d)
			continue
		}
		out.AddDevice(&api.LinuxDevice{Path: d.Path, Type: d.Type, Major: d.Major, Minor: d.Minor,
			FileMode: api.FileMode(d.FileMode), Uid: api.UInt32(d.UID), Gid: api.UInt32(d.GID)})
		if !rules {
			continue
		}
		if d.Type == "b" {
			excess = without("rwm", d.Access)
		}
		if excess != "" {
			addRule(out, specs.LinuxDeviceCgroup{Type: d.Type, Major: &d.Major, Minor: &d.Minor, Access: excess})
		}
		if d.Type == "c" && strings.Contains(d.Access, "m") {
			addRule(out, specs.LinuxDeviceCgroup{Allow: true, Type: d.Type, Major: &d.Major, Minor: &d.Minor, Access: "m"})
		}
	}
	for _, r := range a.DeviceRules {
		if !rules {
			left.DeviceRules = append(left.DeviceRules, r)
			continue
		}
		addRule(out, r)
	}
	for _, name := range a.CDIDevices {
		if !e.cdi {
			left.CDIDevices = append(left.CDIDevices, name)
			continue
		}
		out.AddCDIDevice(&api.CDIDevice{Name: name})
	}
}

func addRule(out *api.ContainerAdjustment, r specs.LinuxDeviceCgroup) {
	if out.Linux == nil {
		out.Linux = &api.LinuxContainerAdjustment{}
	}
	if out.Linux.Resources == nil {
		out.Linux.Resources = &api.LinuxResources{}
	}
	out.Linux.Resources.Devices = append(out.Linux.Resources.Devices, &api.LinuxDeviceCgroup{
		Allow: r.Allow, Type: r.Type, Major: api.Int64(r.Major), Minor: api.Int64(r.Minor), Access: r.Access})
}

// encodeSeccomp merges the rules into the container's own profile, since NRI
// replaces it whole. A profile's default errno does not survive that way (NRI
// carries it to the plugin but not back), so one that matters is not carried.
func (e encoder) encodeSeccomp(a *policy.Adjustment, out *api.ContainerAdjustment, left *policy.Adjustment) error {
	if len(a.Seccomp) == 0 {
		return nil
	}
	if !e.level.atLeast(levelRules) || !e.seccomp.OK || losesErrno(e.seccomp.Value) {
		left.Seccomp = a.Seccomp
		return nil
	}
	merged, err := policy.ApplySeccomp(e.seccomp.Value, a.Seccomp, e.archs)
	if err != nil {
		return err
	}
	if merged != nil {
		out.SetLinuxSeccompPolicy(api.FromOCILinuxSeccomp(merged))
	}
	return nil
}

func losesErrno(s *specs.LinuxSeccomp) bool {
	const eperm = 1 // what an absent default errno means
	return s != nil && s.DefaultErrnoRet != nil && *s.DefaultErrnoRet != eperm
}

func (e encoder) encodeSysctls(a *policy.Adjustment, out *api.ContainerAdjustment, left *policy.Adjustment) {
	if !e.level.atLeast(levelSysctls) {
		left.Sysctls = a.Sysctls
		return
	}
	for name, value := range a.Sysctls {
		out.SetLinuxSysctl(name, value)
	}
}

func (e encoder) encodeNamespaces(a *policy.Adjustment, out *api.ContainerAdjustment, left *policy.Adjustment) {
	if !e.level.atLeast(levelRules) {
		left.Namespaces = a.Namespaces
		return
	}
	for _, kind := range a.Namespaces {
		out.AddOrReplaceNamespace(&api.LinuxNamespace{Type: string(kind)})
	}
}

// words names the parts of an adjustment, for a refusal.
func (e encoder) words(a *policy.Adjustment) []string {
	var out []string
	add := func(has bool, format string, args ...any) {
		if has {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	for _, d := range a.Devices {
		add(true, "the access %q of device %s", d.Access, d.Path)
	}
	add(len(a.DeviceRules) > 0, "device-cgroup rules")
	add(len(a.CDIDevices) > 0, "the CDI devices %s", strings.Join(a.CDIDevices, ", "))
	for _, n := range a.ShadowNodes {
		add(true, "a usable %s in place of its own", n.ContainerPath)
	}
	add(len(a.AdoptDevices) > 0, "the ownership of %s", strings.Join(a.AdoptDevices, ", "))
	add(len(a.Capabilities.Add) > 0, "the capabilities %s", strings.Join(a.Capabilities.Add, ", "))
	add(len(a.Capabilities.Drop) > 0, "the drop of %s", strings.Join(a.Capabilities.Drop, ", "))
	switch {
	case len(a.Seccomp) == 0:
	case losesErrno(e.seccomp.Value):
		add(true, "seccomp rules under a profile of its own whose defaultErrnoRet is %d", *e.seccomp.Value.DefaultErrnoRet)
	default:
		add(true, "seccomp rules")
	}
	for _, name := range slices.Sorted(maps.Keys(a.Sysctls)) {
		add(true, "the sysctl %s", name)
	}
	for _, kind := range a.Namespaces {
		add(true, "a %s namespace of its own", kind)
	}
	add(a.ProcUnmasked, "an unmasked /proc")
	return out
}

// without returns the letters of all that are not in some.
func without(all, some string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(some, r) {
			return -1
		}
		return r
	}, all)
}
