// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// applyUnmounts takes mounts out.
func applyUnmounts(spec *value, a *change.Adjustment) error {
	list, err := spec.lookup("mounts")
	if list == nil || err != nil || len(a.Unmounts) == 0 {
		return err
	}
	have, err := elements[specs.Mount](list)
	if err != nil {
		return err
	}
	for i := len(have) - 1; i >= 0; i-- {
		if slices.Contains(a.Unmounts, have[i].Destination) {
			list.remove(i)
		}
	}
	return nil
}

// applyMounts adds mounts, each in the place of what was mounted at its path.
func applyMounts(spec *value, a *change.Adjustment) error {
	if len(a.Mounts) == 0 {
		return nil
	}
	list, err := spec.ensure("mounts", "[]")
	if err != nil {
		return err
	}
	for i := range a.Mounts {
		if err := addMount(list, &a.Mounts[i]); err != nil {
			return err
		}
	}
	return nil
}

// addMount puts a mount before those that lie below it, which it would hide,
// and after those that it lies below; all others keep their order.
func addMount(list *value, want *specs.Mount) error {
	have, err := elements[specs.Mount](list)
	if err != nil {
		return err
	}
	target, same, at := absolute(want.Destination), 0, len(have)
	for i := len(have) - 1; i >= 0; i-- {
		if absolute(have[i].Destination) != target {
			continue
		}
		if same++; same == 1 && equalMounts(&have[i], want) {
			return nil // the last one is what counts
		}
		list.remove(i)
		have = slices.Delete(have, i, i+1)
		at = len(have)
	}
	for i := range have {
		switch there := absolute(have[i].Destination); {
		case isBelow(there, target):
			at = min(at, i)
		case isBelow(target, there):
			at = len(have)
		}
	}
	list.add(at, encode(want))
	return nil
}

// equalMounts compares two mounts as they would be written.
func equalMounts(a, b *specs.Mount) bool { return bytes.Equal(encode(a), encode(b)) }

// isBelow reports whether a path lies below another.
func isBelow(p, dir string) bool {
	return strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}
