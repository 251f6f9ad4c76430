// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"maps"
	"slices"
)

// KindSysctls is sysctls of the pod's namespaces.
var KindSysctls = &Kind{
	Key: "sysctls", Field: "linux.sysctl", Wrapper: true,
	Uses: []Use{{"`sysctls`", DeliversSysctls}},
	in:   func(a *Adjustment) bool { return len(a.Sysctls) > 0 },
	copy: func(to, from *Adjustment) { to.Sysctls = from.Sysctls },
	list: func(a *Adjustment) (out []Change) {
		for _, name := range slices.Sorted(maps.Keys(a.Sysctls)) {
			out = append(out, Change{Text: fmt.Sprintf("= %s = %q", name, a.Sysctls[name]),
				Only: Adjustment{Sysctls: map[string]string{name: a.Sysctls[name]}}})
		}
		return out
	},
	name: func(a *Adjustment) (out []string) {
		for _, name := range slices.Sorted(maps.Keys(a.Sysctls)) {
			out = append(out, "the sysctl "+name)
		}
		return out
	},
	brief: func(a *Adjustment) (out []string) {
		for _, name := range slices.Sorted(maps.Keys(a.Sysctls)) {
			out = append(out, fmt.Sprintf("sysctl %s=%s", name, a.Sysctls[name]))
		}
		return out
	},
}
