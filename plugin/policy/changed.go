// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
)

// GivenDevice is a device that a container was given, and which one.
type GivenDevice struct {
	Path         string // in the container
	Type         string
	Major, Minor int64
}

// GivenDevices are those of an adjustment that stay as they are.
func GivenDevices(a *Adjustment) []GivenDevice {
	var out []GivenDevice
	for _, d := range a.Devices {
		out = append(out, GivenDevice{d.Path, d.Type, d.Major, d.Minor})
	}
	for _, n := range a.ShadowNodes {
		out = append(out, GivenDevice{n.ContainerPath, n.Type, n.Major, n.Minor})
	}
	return out
}

func (g *GivenDevice) is(h *HostDevice) bool { return h.sameDevice(g.Type, g.Major, g.Minor) }

// ChangedDevice is a device that the container has under numbers which are not those of
// the node's device any more.
type ChangedDevice struct {
	Given GivenDevice
	Now   HostDevice
}

// String says what it was and what it is.
func (c *ChangedDevice) String() string {
	return fmt.Sprintf("device %s is %s %d:%d there and %s %d:%d on the node now", QuotePath(c.Given.Path),
		c.Given.Type, c.Given.Major, c.Given.Minor, c.Now.Type, c.Now.Major, c.Now.Minor)
}

// ChangedDevices returns which of the devices that a container was given are others
// today: they were unplugged, and came back under another number. One that is absent is
// not among them: it may come back as it was.
func (s Selection) ChangedDevices(given []GivenDevice, found map[DeviceSelector]DeviceLookup) []ChangedDevice {
	var out []ChangedDevice
	for _, k := range s.granted {
		for i := range k.profile.merged.devices {
			rule := &k.profile.merged.devices[i].rule
			if k.profile.merged.devices[i].exclusive && rule.target() != absolute(rule.Path) {
				continue // what it finds at the same path may be another container's unit
			}
			out = rule.changed(out, given, found[rule.Selector()].Nodes)
		}
	}
	return out
}

// changed goes by the path in the container. A USB device without one of its own has
// another path then, so it is the one for which no device was given.
func (r *DeviceRule) changed(out []ChangedDevice, given []GivenDevice, nodes []HostDevice) []ChangedDevice {
	for i := range given {
		g := &given[i]
		if slices.ContainsFunc(nodes, func(n HostDevice) bool { return g.is(&n) }) ||
			slices.ContainsFunc(out, func(c ChangedDevice) bool { return c.Given == *g }) {
			continue
		}
		for _, n := range nodes {
			at := r.ContainerPath
			if at == "" {
				at = n.Path
			}
			isNew := !slices.ContainsFunc(given, func(g GivenDevice) bool { return g.is(&n) })
			if absolute(at) == g.Path || r.Path == "" && isNew && g.Type == n.Type && g.Major == n.Major {
				out = append(out, ChangedDevice{*g, n})
				break
			}
		}
	}
	return out
}
