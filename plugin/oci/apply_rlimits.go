// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// applyRlimits sets limits where they stand, and adds the others.
func applyRlimits(spec *value, a *change.Adjustment) error {
	if len(a.Rlimits) == 0 {
		return nil
	}
	process, err := processOf(spec)
	if err != nil {
		return err
	}
	list, err := process.ensure("rlimits", "[]")
	if err != nil {
		return err
	}
	have, err := elements[specs.POSIXRlimit](list)
	if err != nil {
		return err
	}
	for _, want := range a.Rlimits {
		found := false
		for i := range have {
			if have[i].Type != want.Type {
				continue
			}
			found = true
			if have[i] != want {
				list.replace(i, encode(want))
			}
		}
		if !found {
			list.add(len(list.kids), encode(want))
		}
	}
	return nil
}
