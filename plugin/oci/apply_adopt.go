// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// applyAdoptDevices makes the process's user the owner of devices that the spec has,
// who may then read and write them as far as the device cgroup lets him. In a
// user namespace the runtime ignores owners, and shadow nodes do it.
func applyAdoptDevices(spec *value, a *change.Adjustment) error {
	if len(a.AdoptDevices) == 0 {
		return nil
	}
	if within, err := hasUserNamespace(spec); within || err != nil {
		return err
	}
	user, err := userOf(spec)
	if err != nil {
		return err
	}
	list, err := spec.lookup("linux", "devices")
	if list == nil || err != nil {
		return err
	}
	return eachDevice(list, func(at int, have *specs.LinuxDevice) error {
		if !slices.ContainsFunc(a.AdoptDevices, func(p string) bool { return absolute(p) == absolute(have.Path) }) {
			return nil
		}
		entry := list.kids[at].value
		set := func(name string, is *uint32, want uint32) error {
			if is != nil && *is == want {
				return nil
			}
			_, err := entry.member(name) // also makes sure that there is one
			if err == nil {
				entry.set(name, encode(want))
			}
			return err
		}
		if err := set("uid", have.UID, user.UID); err != nil {
			return err
		}
		if err := set("gid", have.GID, user.GID); err != nil {
			return err
		}
		const readWrite = 0o600
		if have.FileMode != nil && *have.FileMode&readWrite != readWrite {
			entry.set("fileMode", encode(*have.FileMode|readWrite))
		}
		return nil
	})
}

func userOf(spec *value) (user specs.User, err error) {
	err = spec.read(&user, "process", "user")
	return user, err
}

// hasUserNamespace reports whether the container is in a user namespace.
func hasUserNamespace(spec *value) (bool, error) {
	var namespaces []specs.LinuxNamespace
	err := spec.read(&namespaces, "linux", "namespaces")
	return slices.ContainsFunc(namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace }), err
}

// applyShadowNodes takes the devices out of the spec that shadow nodes stand
// for: the runtime makes devices after the mounts, over them. Their rules in
// the device cgroup stay.
func applyShadowNodes(spec *value, a *change.Adjustment) error {
	list, err := spec.lookup("linux", "devices")
	if list == nil || err != nil || len(a.ShadowNodes) == 0 {
		return err
	}
	return eachDevice(list, func(at int, have *specs.LinuxDevice) error {
		for i := range a.ShadowNodes {
			shadow := &a.ShadowNodes[i]
			switch {
			case absolute(have.Path) != absolute(shadow.ContainerPath):
			case have.Type != shadow.Type || have.Major != shadow.Major || have.Minor != shadow.Minor:
				return fmt.Errorf("%s: device %q is %s %d:%d, and the decision was about %s %d:%d", spec.path(),
					have.Path, have.Type, have.Major, have.Minor, shadow.Type, shadow.Major, shadow.Minor)
			default:
				list.remove(at)
				return nil
			}
		}
		return nil
	})
}

// checkShadowNodes makes sure that each shadow node is bound where it is to
// be, by NRI or by this adjustment.
func checkShadowNodes(spec *value, a *change.Adjustment) error {
	if len(a.ShadowNodes) == 0 {
		return nil
	}
	var mounts []specs.Mount
	if err := spec.read(&mounts, "mounts"); err != nil {
		return err
	}
	for _, shadow := range a.ShadowNodes {
		if !slices.ContainsFunc(mounts, func(m specs.Mount) bool {
			return absolute(m.Destination) == absolute(shadow.ContainerPath) && m.Source == shadow.Path
		}) {
			return fmt.Errorf("%s: nothing mounts the shadow node %q at %q: another plugin may have removed the mount",
				spec.path(), shadow.Path, shadow.ContainerPath)
		}
	}
	return nil
}
