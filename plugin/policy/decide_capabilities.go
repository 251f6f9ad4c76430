// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
)

var capabilitiesKind = kind{
	own: func(e *merged, p *Profile) { e.capabilities = p.Capabilities },
	merge: func(e, other *merged, _ string) *conflict {
		e.capabilities.Add = union(e.capabilities.Add, other.capabilities.Add, same)
		e.capabilities.Drop = union(e.capabilities.Drop, other.capabilities.Drop, same)
		return nil
	},
	decide:  (*decider).capabilities,
	outline: func(a *Adjustment, p *Profile) { a.Capabilities = p.Capabilities },
}

// capabilities adds up what the profiles add and drop; a drop beats every add.
func (d *decider) capabilities() error {
	have := &d.merged.capabilities
	d.out.Capabilities.Drop = have.Drop
	for _, name := range have.Add {
		if slices.Contains(have.Drop, name) {
			d.note(LeftOut, "", fmt.Sprintf("capability %s: a profile drops it, which beats every add", name))
			continue
		}
		d.out.Capabilities.Add = append(d.out.Capabilities.Add, name)
	}
	return nil
}
