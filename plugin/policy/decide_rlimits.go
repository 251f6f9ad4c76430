// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/nodegate/nodegate/plugin/change"

var rlimitsKind = kind{
	own: func(e *merged, p *Profile) { e.rlimits = source(p.Rlimits, p.Name) },
	merge: func(e, other *merged, asked string) *conflict {
		return mergeValues(&e.rlimits, other.rlimits, asked, "rlimits", "rlimit")
	},
	decide: func(d *decider) error {
		for _, name := range sortedKeys(d.merged.rlimits) {
			addLimit(&d.out, name, d.merged.rlimits[name].value)
		}
		return nil
	},
	outline: func(a *Adjustment, p *Profile) {
		for _, name := range sortedKeys(p.Rlimits) {
			addLimit(a, name, p.Rlimits[name])
		}
	},
}

// addLimit takes a limit that is well formed: config reads it by the same
// function.
func addLimit(a *Adjustment, name, text string) {
	if r, err := change.ParseRlimit(name, text); err == nil {
		a.Rlimits = append(a.Rlimits, r)
	}
}
