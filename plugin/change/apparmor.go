// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

// Unconfined is the AppArmor profile that stands for none.
const Unconfined = "unconfined"

// KindAppArmor is the AppArmor profile of the container's processes. It counts
// as something given, since what another profile denies cannot be told from
// its name.
var KindAppArmor = &Kind{
	Key: "apparmor", Field: "process.apparmorProfile", Wrapper: true,
	Uses: []Use{{"`apparmor`", 0}},
	in:   func(a *Adjustment) bool { return a.AppArmor != "" },
	copy: func(to, from *Adjustment) { to.AppArmor = from.AppArmor },
	list: func(a *Adjustment) []Change {
		return []Change{{Text: "= " + a.AppArmor, Only: Adjustment{AppArmor: a.AppArmor}}}
	},
	name:  func(a *Adjustment) []string { return []string{"the AppArmor profile " + a.AppArmor} },
	brief: func(a *Adjustment) []string { return []string{"AppArmor " + a.AppArmor} },
	gives: func(a *Adjustment) bool { return a.AppArmor != "" },
}
