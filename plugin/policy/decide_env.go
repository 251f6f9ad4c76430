// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

var envKind = kind{
	own: func(e *merged, p *Profile) { e.env = source(p.Env, p.Name) },
	merge: func(e, other *merged, asked string) *conflict {
		return mergeValues(&e.env, other.env, asked, "env", "environment variable")
	},
	decide:  (*decider).environment,
	outline: func(a *Adjustment, p *Profile) { a.Env = p.Env },
}

func (d *decider) environment() error {
	for name, v := range d.merged.env {
		if d.out.Env == nil {
			d.out.Env = map[string]string{}
		}
		d.out.Env[name] = v.value
	}
	return nil
}
