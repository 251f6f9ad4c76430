// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"slices"

	"github.com/nodegate/nodegate/plugin/change"
)

func applyAppArmor(spec *value, a *change.Adjustment) error {
	if a.AppArmor == "" {
		return nil
	}
	process, err := processOf(spec)
	if err != nil {
		return err
	}
	return changeAppArmor(process, a.AppArmor)
}

// changeAppArmor gives a process a profile, or none: a spec says "unconfined"
// by not naming any, as containerd writes it.
func changeAppArmor(process *value, profile string) error {
	if profile == "" {
		return nil
	}
	const name = "apparmorProfile"
	if _, err := process.member(name); err != nil {
		return err
	}
	if profile != change.Unconfined {
		process.set(name, encode(profile))
		return nil
	}
	if i := slices.IndexFunc(process.kids, func(k kid) bool { return k.name == name }); i >= 0 {
		process.remove(i)
	}
	return nil
}
