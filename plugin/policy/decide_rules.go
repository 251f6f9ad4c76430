// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

// deviceRulesKind is rules of the device cgroup. Those of shadow nodes come
// before them.
var deviceRulesKind = kind{
	own: func(e *merged, p *Profile) { e.deviceRules = p.DeviceCgroupRules },
	merge: func(e, other *merged, _ string) *conflict {
		e.deviceRules = union(e.deviceRules, other.deviceRules, sameRule)
		return nil
	},
	decide: func(d *decider) error {
		d.out.DeviceRules = append(d.out.DeviceRules, d.merged.deviceRules...)
		return nil
	},
	outline: func(a *Adjustment, p *Profile) { a.DeviceRules = p.DeviceCgroupRules },
}
