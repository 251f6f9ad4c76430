// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var adoptKind = kind{
	own: func(e *merged, p *Profile) {
		if p.AdoptDevices {
			e.adoptDevicesBy = p.Name
		}
	},
	merge: func(e, other *merged, _ string) *conflict {
		e.adoptDevicesBy = cmp.Or(e.adoptDevicesBy, other.adoptDevicesBy)
		return nil
	},
	decide: (*decider).adopt,
	outline: func(a *Adjustment, p *Profile) {
		if p.AdoptDevices {
			a.AdoptDevices = []string{"/dev/*"}
		}
	},
}

// adopt hands the devices that the pod has already, from a device plugin or
// CDI, to its user. Their access stays what the pod's spec says. In a user
// namespace each gets a shadow node, since the runtime would bind the host's,
// which is nobody's there.
func (d *decider) adopt() error {
	if d.merged.adoptDevicesBy == "" {
		return nil
	}
	for i := range d.facts.Container.Devices {
		have := &d.facts.Container.Devices[i]
		at := absolute(have.Path)
		switch {
		case have.Type != "c" && have.Type != "b" || d.provided(at):
			// No device, or the profile says itself what it is to be.
		case !d.given(have):
			return d.refuse(Unmet, at, "would have its device %q handed to its user by profile %q, but no device plugin or CDI gave it that device (a privileged container has every device of the node)",
				at, d.merged.adoptDevicesBy).Advise("drop privileged: true, or the profile")
		case !d.userNamespace():
			d.out.AdoptDevices = append(d.out.AdoptDevices, at)
		default:
			if err := d.adoptShadow(have, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *decider) adoptShadow(have *specs.LinuxDevice, at string) error {
	if !d.wrapped() {
		return d.refuse(NotCarried, at, "would get its device %q to use, which in a pod with a user namespace only %s can give", at, d.policy.wrapper).Advise("%s", d.policy.UnderWrapper())
	}
	node := ShadowNode{Type: have.Type, Major: have.Major, Minor: have.Minor, Mode: 0o600, ContainerPath: at, Replaces: true}
	if have.FileMode != nil {
		node.Mode |= have.FileMode.Perm()
	}
	if user := d.facts.Container.User; user.OK {
		node.UID, node.GID = user.Value.UID, user.Value.GID
	} else {
		node.Process = Process{UID: true, GID: true}
	}
	return d.placeShadow(d.merged.adoptDevicesBy, node)
}

// given reports whether the pod was given this very device: its own rules name
// it by numbers, as those of device plugins and CDI do. A privileged container
// has every node of the host under a rule for all, and must not come to own
// the host's disks by this.
func (d *decider) given(have *specs.LinuxDevice) bool {
	return slices.ContainsFunc(d.facts.Container.DeviceRules, func(r specs.LinuxDeviceCgroup) bool {
		return r.Allow && r.Type == have.Type && r.Major != nil && *r.Major == have.Major &&
			r.Minor != nil && *r.Minor == have.Minor && strings.ContainsAny(r.Access, "rw")
	})
}

// provided reports whether a profile gives a device at the path by itself.
func (d *decider) provided(at string) bool {
	return slices.ContainsFunc(d.out.Mounts, func(m specs.Mount) bool { return m.Destination == at }) ||
		slices.ContainsFunc(d.out.Devices, func(have Device) bool { return have.Path == at })
}

func (d *decider) wrapped() bool { return d.policy.Wrapped(d.facts.Request.Handler) }

// UnderWrapper says what to write for a pod to run under the wrapper.
func (p *Policy) UnderWrapper() string {
	for _, handler := range p.handlers {
		if handler != "" {
			return fmt.Sprintf("set runtimeClassName: %[1]s in the pod's spec (a RuntimeClass of handler %[1]q)", handler)
		}
	}
	if len(p.handlers) > 0 {
		return "leave runtimeClassName out of the pod's spec: the default runtime handler runs " + p.wrapper
	}
	return fmt.Sprintf("run it under %s, which no handler of runtime.handlers does yet", p.wrapper)
}
