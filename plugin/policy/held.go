// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "slices"

// HeldDevice is a device that a running container has, one that was allotted units of
// exclusive profiles. The kubelet allots a unit once; but two profiles may find one device,
// a name may be another device's by now (udev's by-id is that of the last one plugged in,
// of two that call themselves the same), and so may a number.
type HeldDevice struct {
	GivenDevice
	Units Allotted
}

// Held are the devices of a container that was allotted what only one container can have.
func (p *Policy) Held(given []GivenDevice, allotted Allotted) []HeldDevice {
	var out []HeldDevice
	for profile, units := range allotted {
		if prof := p.profiles[profile]; prof == nil || !prof.Resource.Exclusive || !units.OK {
			continue
		}
		for _, g := range given {
			out = append(out, HeldDevice{g, allotted})
		}
		return out
	}
	return out
}

// HeldAsAnother reports whether a container has a device as another unit than a profile's.
func HeldAsAnother(held []HeldDevice, profile string, d *HostDevice) bool {
	return slices.ContainsFunc(held, func(h HeldDevice) bool { return h.is(d) && !slices.Contains(h.Units[profile].Value, d.Unit) })
}

// unitsFree refuses a container whose unit is a device that another one has.
func (d *decider) unitsFree() error {
	for i := range d.merged.devices {
		from := &d.merged.devices[i]
		if !from.exclusive {
			continue
		}
		for _, n := range d.allotted(from.profile, d.facts.Host.Devices[from.rule.Selector()].Nodes) {
			if HeldAsAnother(d.facts.Container.Held, from.profile, &n) {
				return d.refuse(NoDevice, clip(n.Unit, maxName), "would get unit %q of profile %q, but that is device %s, which another container has as another unit",
					clip(n.Unit, maxName), from.profile, QuotePath(n.Path)).Advise("wait until that container ends, or delete the pod")
			}
		}
	}
	return nil
}
