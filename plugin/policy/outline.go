// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// Outline is what a profile changes by itself, without its includes, as far as
// the policy alone tells: of which kinds, and not with which numbers. A device
// has only its path and access, for instance.
func (p *Profile) Outline() Adjustment {
	a := Adjustment{
		DeviceRules:  p.DeviceCgroupRules,
		CDIDevices:   p.CDIDevices,
		Capabilities: p.Capabilities,
		Seccomp:      p.Seccomp,
		Sysctls:      p.Sysctls,
		Env:          p.Env,
		ProcUnmasked: p.ProcUnmasked,
	}
	for i := range p.Devices {
		d := Device{Access: p.Devices[i].Access}
		d.Path = p.Devices[i].target()
		a.Devices = append(a.Devices, d)
	}
	if p.AdoptDevices {
		a.AdoptDevices = []string{"/dev/*"}
	}
	if p.CgroupWritable {
		a.Cgroup = &CgroupDelegation{}
	}
	for _, at := range p.Tmpfs {
		a.Mounts = append(a.Mounts, specs.Mount{Destination: at, Type: "tmpfs"})
	}
	return a
}

// Kinds are the kinds of change that a profile asks for by itself.
func (p *Profile) Kinds() []*change.Kind {
	a := p.Outline()
	var out []*change.Kind
	for _, k := range change.Kinds() {
		if k.In(&a) {
			out = append(out, k)
		}
	}
	return out
}
