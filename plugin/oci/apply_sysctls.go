// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
)

// applySysctls sets sysctls. One that the spec has in the spelling with
// slashes is set there: the runtime would write both, in no certain order.
func applySysctls(spec *value, a *change.Adjustment) error {
	if len(a.Sysctls) == 0 {
		return nil
	}
	sysctls, err := spec.ensureBelow("{}", "linux", "sysctl")
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(a.Sysctls)) {
		at, err := findSysctl(sysctls, name)
		if err != nil {
			return err
		}
		if at < 0 {
			sysctls.set(name, encode(a.Sysctls[name]))
			continue
		}
		var have string
		if err := sysctls.kids[at].value.decode(&have); err != nil {
			return err
		}
		if have != a.Sysctls[name] {
			sysctls.replace(at, encode(a.Sysctls[name]))
		}
	}
	return nil
}

// findSysctl returns where the spec sets a sysctl, or -1.
func findSysctl(sysctls *value, name string) (int, error) {
	if err := sysctls.open('{'); err != nil {
		return -1, err
	}
	at := -1
	for i, k := range sysctls.kids {
		if dotted(k.name) != name {
			continue
		}
		if at >= 0 {
			return -1, fmt.Errorf("%s: %q is set twice", sysctls.path(), name)
		}
		at = i
	}
	return at, nil
}

// dotted returns the spelling of a sysctl's name with dots. As in sysctl(8)
// the first separator tells which spelling it is.
func dotted(name string) string {
	if i := strings.IndexAny(name, "./"); i < 0 || name[i] == '.' {
		return name
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, name)
}
