// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// applyNamespaces gives the container new namespaces of its own, each in the
// place of one that it would have joined.
func applyNamespaces(spec *value, a *change.Adjustment) error {
	if len(a.Namespaces) == 0 {
		return nil
	}
	list, err := spec.ensureBelow("[]", "linux", "namespaces")
	if err != nil {
		return err
	}
	for _, kind := range a.Namespaces {
		if err := addNamespace(list, specs.LinuxNamespace{Type: kind}); err != nil {
			return err
		}
	}
	return nil
}

func addNamespace(list *value, want specs.LinuxNamespace) error {
	have, err := elements[specs.LinuxNamespace](list)
	if err != nil || slices.Contains(have, want) {
		return err
	}
	at := slices.IndexFunc(have, func(n specs.LinuxNamespace) bool { return n.Type == want.Type })
	if at >= 0 {
		list.replace(at, encode(want))
		return nil
	}
	list.add(len(list.kids), encode(want))
	return nil
}
