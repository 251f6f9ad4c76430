// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"maps"
	"slices"
)

// KindEnv is environment variables.
var KindEnv = &Kind{
	Key: "env", Field: "process.env", Wrapper: true,
	Uses: []Use{{"`env`", DeliversBasics}},
	in:   func(a *Adjustment) bool { return len(a.Env) > 0 },
	copy: func(to, from *Adjustment) { to.Env = from.Env },
	list: func(a *Adjustment) (out []Change) {
		for _, name := range slices.Sorted(maps.Keys(a.Env)) {
			out = append(out, Change{Text: fmt.Sprintf("= %s=%s", name, a.Env[name]),
				Only: Adjustment{Env: map[string]string{name: a.Env[name]}}})
		}
		return out
	},
	name: func(a *Adjustment) (out []string) {
		for _, name := range slices.Sorted(maps.Keys(a.Env)) {
			out = append(out, "the environment variable "+name)
		}
		return out
	},
	brief: func(a *Adjustment) (out []string) {
		for _, name := range slices.Sorted(maps.Keys(a.Env)) {
			out = append(out, "env "+name) // its value may be nobody's business
		}
		return out
	},
}
