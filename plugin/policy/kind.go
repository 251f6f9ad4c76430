// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/nodegate/nodegate/plugin/change"

// kind is what the engine does for one key of a profile.
type kind struct {
	// own puts into the effects what a profile has by itself, without its
	// includes.
	own func(e *effects, p *Profile)
	// merge adds the other effects, and returns the first disagreement. other is
	// not changed, nor is anything that it shares with e later. asked is the
	// profile that the pod asked for to get other, or "".
	merge func(e, other *effects, asked string) *conflict
	// decide puts what the container gets into the decision, or refuses it.
	decide func(d *decider) error
	// outline says what a profile changes, as far as the policy alone tells.
	outline func(a *Adjustment, p *Profile)
}

// kinds are all keys of a profile that change something, in the order in which
// they are decided about.
var kinds = []kind{
	capabilitiesKind, procKind, envKind, devicesKind, deviceRulesKind, adoptKind, cdiKind,
	sysctlsKind, rlimitsKind, tmpfsKind, cgroupKind, seccompKind, appArmorKind,
}

// Outline is what a profile changes by itself, without its includes, as far as
// the policy alone tells: of which kinds, and not with which numbers. A device
// has only its path and access, for instance.
func (p *Profile) Outline() Adjustment {
	var a Adjustment
	for i := range kinds {
		kinds[i].outline(&a, p)
	}
	return a
}

// Kinds are the kinds of change that a profile asks for by itself.
func (p *Profile) Kinds() []*change.Kind {
	a := p.Outline()
	var out []*change.Kind
	for _, k := range change.Kinds() {
		if k.In(&a) {
			out = append(out, k)
		}
	}
	return out
}
