// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// KindNamespaces is new namespaces of the container's own. A writable cgroup
// takes one where the runtime gives none.
var KindNamespaces = &Kind{
	Key: "cgroup", Field: "linux.namespaces", Wrapper: true,
	Uses: []Use{{"`cgroup = \"writable\"` on cgroup v1", DeliversNamespaces}},
	in:   func(a *Adjustment) bool { return len(a.Namespaces) > 0 },
	copy: func(to, from *Adjustment) { to.Namespaces = from.Namespaces },
	list: func(a *Adjustment) (out []Change) {
		for _, kind := range a.Namespaces {
			out = append(out, Change{Text: "+ " + string(kind),
				Only: Adjustment{Namespaces: []specs.LinuxNamespaceType{kind}}})
		}
		return out
	},
	name: func(a *Adjustment) (out []string) {
		for _, kind := range a.Namespaces {
			out = append(out, fmt.Sprintf("a %s namespace of its own", kind))
		}
		return out
	},
	brief: func(*Adjustment) []string { return nil }, // goes with a writable cgroup
}
