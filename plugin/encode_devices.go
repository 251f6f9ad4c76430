// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strings"

	"github.com/containerd/nri/pkg/api"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// encodeDevices adds nodes. NRI gives read and write access with every node
// that it adds, and mknod with a block device; what was not granted is denied
// by a rule after it. The letter m alone is not worth a refusal where NRI has
// no rules: runc lets every container make any node, and only r and w decide
// about its use.
func encodeDevices(e *encoder, a *change.Adjustment) error {
	exact := e.runtime.Has(change.DeliversAccess)
	for _, d := range a.Devices {
		excess := without("rw", d.Access)
		if !exact && excess != "" || d.Process != (change.Process{}) {
			e.remainder.Devices = append(e.remainder.Devices, d)
			continue
		}
		e.reply.AddDevice(&api.LinuxDevice{Path: d.Path, Type: d.Type, Major: d.Major, Minor: d.Minor,
			FileMode: api.FileMode(d.FileMode), Uid: api.UInt32(d.UID), Gid: api.UInt32(d.GID)})
		if !exact {
			continue
		}
		if d.Type == "b" {
			excess = without("rwm", d.Access)
		}
		if excess != "" {
			e.addRule(specs.LinuxDeviceCgroup{Type: d.Type, Major: &d.Major, Minor: &d.Minor, Access: excess})
		}
		if d.Type == "c" && strings.Contains(d.Access, "m") {
			e.addRule(specs.LinuxDeviceCgroup{Allow: true, Type: d.Type, Major: &d.Major, Minor: &d.Minor, Access: "m"})
		}
	}
	return nil
}

// encodeShadowNodes leaves those of which a spec has to change more than its
// mounts, which are a kind of their own.
func encodeShadowNodes(e *encoder, a *change.Adjustment) error {
	for _, n := range a.ShadowNodes {
		if n.NeedsWrapper() {
			e.remainder.ShadowNodes = append(e.remainder.ShadowNodes, n)
		}
	}
	return nil
}

func encodeDeviceRules(e *encoder, a *change.Adjustment) error {
	for _, r := range a.DeviceRules {
		e.addRule(r)
	}
	return nil
}

func (e *encoder) addRule(r specs.LinuxDeviceCgroup) {
	out := e.reply
	if out.Linux == nil {
		out.Linux = &api.LinuxContainerAdjustment{}
	}
	if out.Linux.Resources == nil {
		out.Linux.Resources = &api.LinuxResources{}
	}
	out.Linux.Resources.Devices = append(out.Linux.Resources.Devices, &api.LinuxDeviceCgroup{
		Allow: r.Allow, Type: r.Type, Major: api.Int64(r.Major), Minor: api.Int64(r.Minor), Access: r.Access})
}

func encodeCDIDevices(e *encoder, a *change.Adjustment) error {
	for _, name := range a.CDIDevices {
		e.reply.AddCDIDevice(&api.CDIDevice{Name: name})
	}
	return nil
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
