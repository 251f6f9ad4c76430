// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"path"
	"reflect"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// applyDevices adds nodes. applyDeviceRules adds their rules.
func applyDevices(spec *value, a *change.Adjustment) error {
	if len(a.Devices) == 0 {
		return nil
	}
	list, err := spec.ensureBelow("[]", "linux", "devices")
	if err != nil {
		return err
	}
	user, err := userOf(spec)
	if err != nil {
		return err
	}
	for i := range a.Devices {
		want := ownedBy(a.Devices[i], user)
		there := false
		err := eachDevice(list, func(at int, have *specs.LinuxDevice) error {
			if absolute(have.Path) != absolute(want.Path) {
				return nil
			}
			if there = reflect.DeepEqual(have, want); !there {
				list.remove(at)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if !there {
			list.add(len(list.kids), encode(want))
		}
	}
	return nil
}

// ownedBy fills in the ids of the process that the agent did not know.
func ownedBy(d change.Device, user specs.User) *specs.LinuxDevice {
	if d.Process.UID {
		d.UID = &user.UID
	}
	if d.Process.GID {
		d.GID = &user.GID
	}
	return &d.LinuxDevice
}

// cgroupRules returns the rules of the adjustment's devices and its own. The
// access of a device is exactly what is written, so the rest is denied by a
// rule after it; in the same words as when NRI carries it, which gives read
// and write access with every node and mknod with a block device.
func cgroupRules(a *change.Adjustment) []specs.LinuxDeviceCgroup {
	var given, corrected []specs.LinuxDeviceCgroup
	for _, d := range a.Devices {
		rule := specs.LinuxDeviceCgroup{Allow: true, Type: d.Type, Major: &d.Major, Minor: &d.Minor, Access: "rw"}
		if d.Type == "b" {
			rule.Access = "rwm"
		}
		given = append(given, rule)
		if excess := without(rule.Access, d.Access); excess != "" {
			deny := rule
			deny.Allow, deny.Access = false, excess
			corrected = append(corrected, deny)
		}
		if missing := without(d.Access, rule.Access); missing != "" {
			allow := rule
			allow.Access = missing
			corrected = append(corrected, allow)
		}
	}
	return append(append(given, corrected...), a.DeviceRules...)
}

// without returns the letters of all that are not among some.
func without(all, some string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(some, r) {
			return -1
		}
		return r
	}, all)
}

// applyDeviceRules appends device-cgroup rules, unless they are the last ones
// already. Later rules overrule earlier ones, so an equal rule elsewhere will
// not do.
func applyDeviceRules(spec *value, a *change.Adjustment) error {
	rules := cgroupRules(a)
	if len(rules) == 0 {
		return nil
	}
	list, err := spec.ensureBelow("[]", "linux", "resources", "devices")
	if err != nil {
		return err
	}
	have, err := elements[specs.LinuxDeviceCgroup](list)
	if err != nil {
		return err
	}
	if n := len(have) - len(rules); n >= 0 && reflect.DeepEqual(have[n:], rules) {
		return nil
	}
	for _, r := range rules {
		list.add(len(list.kids), encode(r))
	}
	return nil
}

// eachDevice calls a function for each entry of a device list, from the last,
// so that it may remove the entry.
func eachDevice(list *value, visit func(at int, have *specs.LinuxDevice) error) error {
	if err := list.open('['); err != nil {
		return err
	}
	for i := len(list.kids) - 1; i >= 0; i-- {
		var have specs.LinuxDevice
		if err := list.kids[i].value.decode(&have); err != nil {
			return err
		}
		if err := visit(i, &have); err != nil {
			return err
		}
	}
	return nil
}

// absolute cleans a path of the container. Runtimes take one that lacks its
// leading slash as if it were there.
func absolute(p string) string { return path.Clean("/" + p) }
