// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import "strings"

// KindCDIDevices is devices by their names in the Container Device Interface.
// What a name stands for is the runtime's to know, so nobody else can deliver
// it.
var KindCDIDevices = &Kind{
	Key: "cdi_devices", Field: CDIField,
	Uses: []Use{{"`cdi_devices`", DeliversCDI}},
	in:   func(a *Adjustment) bool { return len(a.CDIDevices) > 0 },
	copy: func(to, from *Adjustment) { to.CDIDevices = from.CDIDevices },
	list: func(a *Adjustment) (out []Change) {
		for _, name := range a.CDIDevices {
			out = append(out, Change{Text: "+ " + name, Only: Adjustment{CDIDevices: []string{name}}})
		}
		return out
	},
	name: func(a *Adjustment) []string {
		return []string{"the CDI devices " + strings.Join(a.CDIDevices, ", ")}
	},
	brief: func(a *Adjustment) (out []string) {
		for _, name := range a.CDIDevices {
			out = append(out, "CDI device "+name)
		}
		return out
	},
	gives: func(a *Adjustment) bool { return len(a.CDIDevices) > 0 },
}
