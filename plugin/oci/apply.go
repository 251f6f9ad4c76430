// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
)

// specName is what messages call a container's spec.
const specName = "config.json"

// Apply carries out an adjustment in the text of an OCI spec and returns the
// new text. All that it does not change keeps its bytes, and a spec that has
// the adjustment already is returned as it is. Where NRI could have carried a
// part as well, the spec comes out as NRI's generator would make it.
func Apply(config []byte, a *policy.Adjustment) ([]byte, error) {
	spec, err := parseDocument(specName, config)
	if err != nil {
		return nil, err
	}
	if err := apply(spec, a); err != nil {
		return nil, err
	}
	return spec.bytes(), nil
}

func apply(spec *node, a *policy.Adjustment) error {
	if err := carries(a); err != nil {
		return err
	}
	for _, step := range []func(*node, *policy.Adjustment) error{
		applyEnv, applyCapabilities, applySeccomp, applySysctls,
		applyDevices, applyShadowNodes, applyMounts, applyNamespaces, applyProc, checkShadowNodes,
	} {
		if err := step(spec, a); err != nil {
			return err
		}
	}
	return nil
}

// carries refuses what a spec alone cannot bring about.
func carries(a *policy.Adjustment) error {
	switch {
	case len(a.CDIDevices) > 0:
		return fmt.Errorf("the CDI devices %s are injected by the container runtime, and nodegate-runc cannot: use containerd 2.1 or later, or 1.7.30 or a later 1.7",
			strings.Join(a.CDIDevices, ", "))
	case a.Cgroup != nil:
		return fmt.Errorf("the cgroup %s is the agent's to hand over, and not nodegate-runc's", a.Cgroup.Path)
	}
	return nil
}

// applyProc empties the lists of what is masked and read-only under /proc. A
// nested container can mount a /proc of its own only if both are empty.
func applyProc(spec *node, a *policy.Adjustment) error {
	if !a.ProcUnmasked {
		return nil
	}
	linux, err := spec.lookup("linux")
	if linux == nil || err != nil {
		return err
	}
	for _, name := range []string{"maskedPaths", "readonlyPaths"} {
		list, err := linux.member(name)
		if err != nil {
			return err
		}
		if list == nil {
			continue
		}
		if err := list.open('['); err != nil {
			return err
		}
		if len(list.kids) > 0 {
			linux.set(name, []byte("[]"))
		}
	}
	return nil
}
