// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/opencontainers/runtime-spec/specs-go"

// Needs is what the grants of a policy may give to one container or another of
// the node's devices and cgroups, and so what the node itself must have.
type Needs struct {
	Devices        []DeviceRule              // one for each path, with the access of all grants
	DeviceRules    []specs.LinuxDeviceCgroup // in the order of the grants
	CgroupWritable bool
}

// Needs sums up all grants. A profile that nothing grants needs nothing.
func (p *Policy) Needs() Needs {
	var sum Needs
	for _, g := range p.grants {
		for _, name := range g.Profiles {
			sum.add(&p.profiles[name].merged)
		}
	}
	return sum
}

// Needs are those of the selected profiles.
func (s Selection) Needs() Needs {
	var sum Needs
	for _, k := range s.granted {
		sum.add(&k.profile.merged)
	}
	return sum
}

func (n *Needs) add(e *merged) {
	for _, d := range e.allDevices() {
		n.addDevice(d.rule)
	}
	n.DeviceRules = union(n.DeviceRules, e.deviceRules, sameRule)
	n.CgroupWritable = n.CgroupWritable || e.cgroupWritableBy != ""
}

func (n *Needs) addDevice(rule DeviceRule) {
	for i := range n.Devices {
		if have := &n.Devices[i]; have.Selector() == rule.Selector() {
			have.Access = unionAccess(have.Access, rule.Access)
			have.Optional = have.Optional && rule.Optional
			return
		}
	}
	n.Devices = append(n.Devices, rule)
}
