// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

var procKind = kind{
	own: func(e *merged, p *Profile) { e.procUnmasked = p.ProcUnmasked },
	merge: func(e, other *merged, _ string) *conflict {
		e.procUnmasked = e.procUnmasked || other.procUnmasked
		return nil
	},
	decide: func(d *decider) error {
		d.out.ProcUnmasked = d.merged.procUnmasked
		return nil
	},
	outline: func(a *Adjustment, p *Profile) { a.ProcUnmasked = p.ProcUnmasked },
}
