// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import "strings"

// Capabilities are names with their CAP_ prefix.
type Capabilities struct {
	Add  []string `json:"add,omitempty"`
	Drop []string `json:"drop,omitempty"`
}

// KindCapabilities is capabilities of the container's process.
var KindCapabilities = &Kind{
	Key: "capabilities", Field: "process.capabilities", Wrapper: true,
	Uses: []Use{{"`capabilities`", 0}},
	in:   func(a *Adjustment) bool { return len(a.Capabilities.Add)+len(a.Capabilities.Drop) > 0 },
	copy: func(to, from *Adjustment) { to.Capabilities = from.Capabilities },
	list: func(a *Adjustment) (out []Change) {
		for _, name := range a.Capabilities.Add {
			out = append(out, Change{Text: "+ " + name, Only: Adjustment{Capabilities: Capabilities{Add: []string{name}}}})
		}
		for _, name := range a.Capabilities.Drop {
			out = append(out, Change{Text: "- " + name, Only: Adjustment{Capabilities: Capabilities{Drop: []string{name}}}})
		}
		return out
	},
	name: func(a *Adjustment) (out []string) {
		if names := a.Capabilities.Add; len(names) > 0 {
			out = append(out, "the capabilities "+strings.Join(names, ", "))
		}
		if names := a.Capabilities.Drop; len(names) > 0 {
			out = append(out, "the drop of "+strings.Join(names, ", "))
		}
		return out
	},
	brief: func(a *Adjustment) (out []string) {
		for _, name := range a.Capabilities.Add {
			out = append(out, "capability +"+name)
		}
		for _, name := range a.Capabilities.Drop {
			out = append(out, "capability -"+name)
		}
		return out
	},
	gives:     func(a *Adjustment) bool { return len(a.Capabilities.Add) > 0 },
	takesAway: func(a *Adjustment) bool { return len(a.Capabilities.Drop) > 0 },
}
