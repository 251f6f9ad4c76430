// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

// KindProc is a /proc of which nothing is masked or read-only.
var KindProc = &Kind{
	Key: "proc_mount", Field: "linux.maskedPaths", Wrapper: true,
	Uses: []Use{{"`proc_mount`", 0}},
	in:   func(a *Adjustment) bool { return a.ProcUnmasked },
	copy: func(to, from *Adjustment) { to.ProcUnmasked = from.ProcUnmasked },
	list: func(*Adjustment) []Change {
		return []Change{{Text: "- everything, linux.readonlyPaths too", Only: Adjustment{ProcUnmasked: true}}}
	},
	name:  func(*Adjustment) []string { return []string{"an unmasked /proc"} },
	brief: func(*Adjustment) []string { return []string{"/proc unmasked"} },
	gives: func(a *Adjustment) bool { return a.ProcUnmasked },
}
