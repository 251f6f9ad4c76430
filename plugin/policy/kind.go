// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"

	"github.com/nodegate/nodegate/plugin/change"
)

// kind is what the engine does for one key of a profile.
type kind struct {
	// own puts into the merged profile what a profile has by itself, without its
	// includes.
	own func(e *merged, p *Profile)
	// merge adds the other merged profile, and returns the first disagreement. other is
	// not changed, nor is anything that it shares with e later. asked is the
	// profile that the pod asked for to get other, or "".
	merge func(e, other *merged, asked string) *conflict
	// decide puts what the container gets into the decision, or refuses it.
	decide func(d *decider) error
	// outline says what a profile changes, as far as the policy alone tells.
	outline func(a *Adjustment, p *Profile)
}

// kinds are all keys of a profile that change something, in the order in which
// they are decided about.
var kinds = []kind{
	capabilitiesKind, procKind, envKind, devicesKind, deviceRulesKind, adoptKind, cdiKind,
	sysctlsKind, rlimitsKind, liveKind, tmpfsKind, cgroupKind, seccompKind, appArmorKind,
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

// ledTo are the kinds of change that keys of other kinds lead to: a device is a mount
// and a rule in a pod with a user namespace, for instance.
var ledTo = map[*change.Kind][]*change.Kind{
	change.KindDeviceRules: {change.KindDevices},
	change.KindShadowNodes: {change.KindDevices},
	change.KindUnmounts:    {change.KindDevices},
	change.KindMounts:      {change.KindDevices, change.KindCgroup},
	change.KindNamespaces:  {change.KindCgroup},
}

// Giving returns those of the named profiles by which a container gets changes of one
// of the kinds; all of them where that is not told.
func (p *Policy) Giving(names []string, wanted []*change.Kind) []string {
	var out []string
	for _, name := range names {
		if p.gives(name, func(k *change.Kind) bool {
			return slices.ContainsFunc(wanted, func(w *change.Kind) bool { return w == k || slices.Contains(ledTo[w], k) })
		}) {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return names
	}
	return out
}

// gives reports whether a profile, or one that it includes, has such a kind of change.
// A policy has no profile that includes itself.
func (p *Policy) gives(name string, is func(*change.Kind) bool) bool {
	prof := p.profiles[name]
	return prof != nil && (slices.ContainsFunc(prof.Kinds(), is) ||
		slices.ContainsFunc(prof.Include, func(name string) bool { return p.gives(name, is) }))
}
