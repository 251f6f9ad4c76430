// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// KindDeviceRules is rules of the device cgroup.
var KindDeviceRules = &Kind{
	Key: "device_cgroup_rules", Field: "linux.resources.devices", Wrapper: true,
	Uses: []Use{{"`device_cgroup_rules`", DeliversDeviceRules}},
	in:   func(a *Adjustment) bool { return len(a.DeviceRules) > 0 },
	copy: func(to, from *Adjustment) { to.DeviceRules = from.DeviceRules },
	list: func(a *Adjustment) (out []Change) {
		for _, r := range a.DeviceRules {
			text := "+ "
			if !r.Allow {
				text += "deny "
			}
			out = append(out, Change{Text: text + RuleText(&r), Only: Adjustment{DeviceRules: []specs.LinuxDeviceCgroup{r}}})
		}
		return out
	},
	name: func(*Adjustment) []string { return []string{"device-cgroup rules"} },
	brief: func(a *Adjustment) []string {
		return []string{fmt.Sprintf("%d device-cgroup rules", len(a.DeviceRules))}
	},
	gives: func(a *Adjustment) bool { return len(a.DeviceRules) > 0 },
}

// RuleText writes what a rule is about as a policy and "docker run
// --device-cgroup-rule" have it: "c 188:* rw".
func RuleText(r *specs.LinuxDeviceCgroup) string {
	number := func(n *int64) string {
		if n == nil || *n < 0 {
			return "*"
		}
		return strconv.FormatInt(*n, 10)
	}
	return fmt.Sprintf("%s %s:%s %s", r.Type, number(r.Major), number(r.Minor), r.Access)
}
