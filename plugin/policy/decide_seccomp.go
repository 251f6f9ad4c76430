// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

var seccompKind = kind{
	own: func(e *merged, p *Profile) {
		for _, r := range p.Seccomp {
			e.seccomp = append(e.seccomp, sourcedRule{r, p.Name})
		}
	},
	merge: func(e, other *merged, _ string) *conflict {
		for _, r := range other.seccomp {
			if c := e.mergeRule(r); c != nil {
				return c
			}
		}
		return nil
	},
	decide:  (*decider).seccomp,
	outline: func(a *Adjustment, p *Profile) { a.Seccomp = p.Seccomp },
}

// seccomp copies the rules; they meet the container's own profile where that
// is at hand, in ApplySeccomp.
func (d *decider) seccomp() error {
	d.out.Seccomp = d.merged.seccompRules()
	if !d.merged.ruledByMany() {
		return nil
	}
	if err := d.merged.checkSeccomp(); err != nil {
		return d.refuse(Conflict, "", "would get profiles that do not go together: %s", err)
	}
	return nil
}
