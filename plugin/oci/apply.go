// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
)

// specName is what messages call a container's spec.
const specName = "config.json"

// Apply carries out an adjustment in the text of an OCI spec and returns the
// new text. All that it does not change keeps its bytes, and a spec that has
// the adjustment already is returned as it is. Where NRI could have carried a
// part as well, the spec comes out as NRI's generator would make it.
func Apply(config []byte, a *change.Adjustment) ([]byte, error) {
	spec, err := parseDocument(specName, config)
	if err != nil {
		return nil, err
	}
	if err := apply(spec, a); err != nil {
		return nil, err
	}
	return spec.bytes(), nil
}

// appliers make the changes that the wrapper can deliver, in the order of the
// kinds. Each leaves the spec alone if the adjustment has nothing of its kind.
var appliers = map[*change.Kind]func(spec *value, a *change.Adjustment) error{
	change.KindDevices:      applyDevices,
	change.KindShadowNodes:  applyShadowNodes,
	change.KindMounts:       applyMounts,
	change.KindUnmounts:     applyUnmounts,
	change.KindDeviceRules:  applyDeviceRules,
	change.KindAdoptDevices: applyAdoptDevices,
	change.KindCapabilities: applyCapabilities,
	change.KindSeccomp:      applySeccomp,
	change.KindSysctls:      applySysctls,
	change.KindRlimits:      applyRlimits,
	change.KindEnv:          applyEnv,
	change.KindNamespaces:   applyNamespaces,
	change.KindProc:         applyProc,
	change.KindAppArmor:     applyAppArmor,
	change.KindLive:         applyLive,
}

func apply(spec *value, a *change.Adjustment) error {
	for _, k := range change.Kinds() {
		switch applyKind := appliers[k]; {
		case applyKind != nil:
			if err := applyKind(spec, a); err != nil {
				return err
			}
		case k.In(a):
			return fmt.Errorf("%s cannot be had by a change of %s", strings.Join(k.Name(a), " and "), specName)
		}
	}
	return checkShadowNodes(spec, a)
}

// applyProc empties the lists of what is masked and read-only under /proc. A
// nested container can mount a /proc of its own only if both are empty.
func applyProc(spec *value, a *change.Adjustment) error {
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
