// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

// KindUnmounts is mounts of the pod's own that make way for a device.
var KindUnmounts = &Kind{
	Key: "devices", Field: "mounts", Wrapper: true,
	Uses: []Use{{NRI: DeliversBasics}},
	in:   func(a *Adjustment) bool { return len(a.Unmounts) > 0 },
	copy: func(to, from *Adjustment) { to.Unmounts = from.Unmounts },
	list: func(a *Adjustment) (out []Change) {
		for _, at := range a.Unmounts {
			out = append(out, Change{Text: "- the pod's bind at " + at, Only: Adjustment{Unmounts: []string{at}}})
		}
		return out
	},
	name: func(a *Adjustment) (out []string) {
		for _, at := range a.Unmounts {
			out = append(out, "the removal of the mount at "+at)
		}
		return out
	},
	brief: func(*Adjustment) []string { return nil },
}
