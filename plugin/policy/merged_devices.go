// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var devicesKind = kind{
	own: func(e *merged, p *Profile) {
		for _, d := range p.Devices {
			if d.Live != "" {
				continue
			}
			e.devices = append(e.devices, sourcedDevice{rule: d, profile: p.Name})
		}
		for _, list := range p.OneOf {
			e.oneOf = append(e.oneOf, sourcedOneOf{list, p.Name})
		}
	},
	merge: func(e, other *merged, _ string) *conflict {
		for _, d := range other.devices {
			if c := e.mergeDevice(d); c != nil {
				return c
			}
		}
		e.oneOf = union(e.oneOf, other.oneOf, func(a, b sourcedOneOf) bool {
			return a.profile == b.profile && slices.Equal(a.selectors, b.selectors)
		})
		return nil
	},
	decide: (*decider).devices,
	outline: func(a *Adjustment, p *Profile) {
		for i := range p.Devices {
			if p.Devices[i].Live != "" {
				continue
			}
			d := Device{Access: p.Devices[i].Access}
			d.Path = p.Devices[i].target()
			a.Devices = append(a.Devices, d)
		}
	},
}

// target is where in the container a device appears, as far as the policy
// alone tells: a glob, or a USB device, without a container path stands for itself.
func (r *DeviceRule) target() string {
	switch {
	case r.ContainerPath != "":
		return absolute(r.ContainerPath)
	case r.Path == "":
		return r.Selector().String()
	}
	return absolute(r.Path)
}

// mergeDevice adds a device rule. Two rules for one target add up in access
// and must agree on all else.
func (e *merged) mergeDevice(d sourcedDevice) *conflict {
	for i := range e.devices {
		have := &e.devices[i]
		// Of units each profile has its own: see allotted.
		if have.rule.target() != d.rule.target() || have.exclusive || d.exclusive {
			continue
		}
		if x, y, what := deviceDifference(&have.rule, &d.rule); what != "" {
			return &conflict{"devices", fmt.Sprintf("%s of device %q", what, d.rule.target()),
				have.profile, d.profile, x, y}
		}
		have.rule.Access = unionAccess(have.rule.Access, d.rule.Access)
		have.rule.Optional = have.rule.Optional && d.rule.Optional
		return nil
	}
	e.devices = append(e.devices, d)
	return nil
}

// deviceDifference names the first thing on which two rules differ, beside
// access, which adds up.
func deviceDifference(a, b *DeviceRule) (x, y, what string) {
	switch {
	case a.Selector() != b.Selector():
		return cmp.Or(a.Path, a.Selector().String()), cmp.Or(b.Path, b.Selector().String()), "the host's node"
	case a.Mode != b.Mode:
		return modeWords(a), modeWords(b), "the mode"
	case a.UID != b.UID:
		return a.UID.String(), b.UID.String(), "the uid"
	case a.GID != b.GID:
		return a.GID.String(), b.GID.String(), "the gid"
	case a.UIDElse != b.UIDElse:
		return a.UIDElse.String(), b.UIDElse.String(), "the uid in a user namespace without the host's"
	case a.GIDElse != b.GIDElse:
		return a.GIDElse.String(), b.GIDElse.String(), "the gid in a user namespace without the host's"
	case a.numbers() != b.numbers():
		return a.numbers(), b.numbers(), "the type and numbers"
	}
	return "", "", ""
}

// numbers writes what the node's device must be, "c 10:229", with * for any.
func (r *DeviceRule) numbers() string {
	number := func(n Known[int64]) string {
		if !n.OK {
			return "*"
		}
		return strconv.FormatInt(n.Value, 10)
	}
	return cmp.Or(r.Type, "*") + " " + number(r.Major) + ":" + number(r.Minor)
}

// fits reports whether a device is of the type and numbers that the rule says.
func (r *DeviceRule) fits(h *HostDevice) bool {
	return (r.Type == "" || r.Type == h.Type) && (!r.Major.OK || r.Major.Value == h.Major) && (!r.Minor.OK || r.Minor.Value == h.Minor)
}

func modeWords(r *DeviceRule) string {
	if !r.Mode.OK {
		return "the host's"
	}
	return fmt.Sprintf("%04o", r.Mode.Value)
}

// String writes an ID as the policy does.
func (i ID) String() string {
	switch i.Of {
	case OfNumber:
		return strconv.FormatUint(uint64(i.Number), 10)
	case "":
		return "the default"
	}
	return string(i.Of)
}

// twice names a device that a profile lists more than once by itself.
func (e *merged) twice() string {
	seen := map[string]bool{}
	for _, d := range e.devices {
		target := d.rule.target()
		if seen[target] {
			return fmt.Sprintf("device %q is listed twice", target)
		}
		seen[target] = true
	}
	return ""
}

// unionAccess returns the letters of both, in the order r, w, m.
func unionAccess(a, b string) string {
	var out strings.Builder
	for _, letter := range "rwm" {
		if strings.ContainsRune(a, letter) || strings.ContainsRune(b, letter) {
			out.WriteRune(letter)
		}
	}
	return out.String()
}
