// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

var cdiKind = kind{
	own: func(e *merged, p *Profile) { e.cdiDevices = p.CDIDevices },
	merge: func(e, other *merged, _ string) *conflict {
		e.cdiDevices = union(e.cdiDevices, other.cdiDevices, same)
		return nil
	},
	decide:  (*decider).cdi,
	outline: func(a *Adjustment, p *Profile) { a.CDIDevices = p.CDIDevices },
}

// cdi refuses what CDI cannot do: the nodes that it names are made by the
// runtime, which shows them as nobody's in a user namespace.
func (d *decider) cdi() error {
	d.out.CDIDevices = d.merged.cdiDevices
	if len(d.merged.cdiDevices) > 0 && d.userNamespace() {
		return d.refuse(Unmet, d.merged.cdiDevices[0], "would get CDI device %q, which a pod with a user namespace cannot use",
			d.merged.cdiDevices[0]).Advise("name its nodes under devices in the profile, or set hostUsers: true")
	}
	return nil
}
