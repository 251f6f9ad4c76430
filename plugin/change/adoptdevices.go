// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"strings"
)

// KindAdoptDevices is the ownership of devices that the pod has already.
var KindAdoptDevices = &Kind{
	Key: "adopt_devices", Field: "linux.devices", Wrapper: true,
	Uses: []Use{{"`adopt_devices`", 0}},
	in:   func(a *Adjustment) bool { return len(a.AdoptDevices) > 0 },
	copy: func(to, from *Adjustment) { to.AdoptDevices = from.AdoptDevices },
	list: func(a *Adjustment) (out []Change) {
		for _, at := range a.AdoptDevices {
			out = append(out, Change{Only: Adjustment{AdoptDevices: []string{at}},
				Text: fmt.Sprintf("= %s belongs to the process's user", at)})
		}
		return out
	},
	name: func(a *Adjustment) []string {
		return []string{"the ownership of " + strings.Join(a.AdoptDevices, ", ")}
	},
	brief: func(a *Adjustment) (out []string) {
		for _, at := range a.AdoptDevices {
			out = append(out, fmt.Sprintf("device %s adopted", at))
		}
		return out
	},
	gives: func(a *Adjustment) bool { return len(a.AdoptDevices) > 0 },
}
