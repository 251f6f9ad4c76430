// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Selection is the profiles that a container gets, before the host is asked
// for anything. The zero Selection is that of most containers: none.
type Selection struct {
	granted []grantedProfile
}

// grantedProfile is one profile of a selection and the grant that gives it.
type grantedProfile struct {
	profile   *profile
	grant     *grant
	requested bool                // the pod asked for it; else an always grant gave it
	requests  []thirdPartyRequest // of third-party annotations, that it is the answer to
}

// asked returns the profile's name if the pod asked for it.
func (k *grantedProfile) asked() string {
	if k.requested {
		return k.profile.Name
	}
	return ""
}

// Empty reports whether the container gets nothing.
func (s Selection) Empty() bool { return len(s.granted) == 0 }

// Profiles returns the names of the selected profiles, in the order in which
// they apply.
func (s Selection) Profiles() []string {
	names := make([]string, len(s.granted))
	for i, k := range s.granted {
		names[i] = k.profile.Name
	}
	return names
}

// Definitions returns, for each of Profiles, a hash of what the profile holds.
func (s Selection) Definitions() []string {
	hashes := make([]string, len(s.granted))
	for i, k := range s.granted {
		hashes[i] = k.profile.definition
	}
	return hashes
}

// Missing returns the selected profiles that are not among those that a
// container was given, or that hold something else by now. It has Definitions
// of what was given beside each name.
func (s Selection) Missing(profiles, definitions []string) []string {
	var missing []string
	for _, k := range s.granted {
		i := slices.Index(profiles, k.profile.Name)
		if i < 0 || i >= len(definitions) || definitions[i] != k.profile.definition {
			missing = append(missing, k.profile.Name)
		}
	}
	return missing
}

// DeviceSelectors returns what Decide needs looked up of the host's devices, each
// once.
func (s Selection) DeviceSelectors() []DeviceSelector {
	var out []DeviceSelector
	for _, k := range s.granted {
		for _, d := range k.profile.merged.allDevices() {
			if sel := d.rule.Selector(); !slices.Contains(out, sel) {
				out = append(out, sel)
			}
		}
	}
	return out
}

// NeedsCgroup reports whether Decide needs to know of the node's cgroups.
func (s Selection) NeedsCgroup() bool {
	return slices.ContainsFunc(s.granted, func(k grantedProfile) bool {
		e := &k.profile.merged
		return e.requires.Cgroup != "" || e.cgroupWritableBy != ""
	})
}

// AppArmor reports whether Decide needs to know of the node's AppArmor, and of
// which of its profiles, "" for none.
func (s Selection) AppArmor() (profile string, needed bool) {
	for _, k := range s.granted {
		e := &k.profile.merged
		if e.appArmor.value != "" {
			return e.appArmor.value, true
		}
		needed = needed || e.mounts()
	}
	return "", needed
}

// Select matches grants and the pod's request. It returns a [*Refusal] if the
// pod asks for what it may not have. A container that no grant concerns costs
// a few map lookups and no allocation.
func (p *Policy) Select(r *Request) (Selection, error) {
	names, refusal := r.requested()
	wrong := errorOf(refusal)
	var always []*grant
	var accepts thirdParties
	for b := range p.index.buckets(r.Namespace) {
		accepts |= b.accepts
		for g := range b.always.candidates(r.Labels) {
			switch p.narrow(g, r) {
			case fits:
				always = append(always, g)
			case unknownUserNamespace:
				wrong = Together(wrong, r.Refuse(UnknownFact, "",
					"falls under a grant that depends on the pod's user namespace, which the runtime does not tell"))
			}
		}
	}
	requests, refusal := p.thirdPartyRequests(r, accepts)
	wrong = Together(wrong, errorOf(refusal))
	// The index knows no order; the policy does.
	slices.SortFunc(always, byOrder)
	var s Selection
	for _, g := range always {
		s.addGrant(p, g, r.Handler)
	}
	for _, name := range names {
		wrong = Together(wrong, cmp.Or(p.needsUnits(r, name), s.addRequested(p, r, name)))
	}
	wrong = Together(wrong, s.addAllotted(p, r))
	if wrong = Together(wrong, s.answer(p, r, requests)); wrong != nil {
		return Selection{}, refused(wrong, s, Adjustment{})
	}
	return s, nil
}

// errorOf keeps a nil refusal from becoming an error that is not nil.
func errorOf(r *Refusal) error {
	if r == nil {
		return nil
	}
	return r
}

// addGrant keeps one grantedProfile a profile: that of the first grant in the policy.
func (s *Selection) addGrant(p *Policy, g *grant, handler string) {
	for _, name := range g.Profiles {
		prof := p.profiles[name]
		if p.reaches(g, prof, handler) && !slices.ContainsFunc(s.granted, func(k grantedProfile) bool { return k.profile == prof }) {
			s.granted = append(s.granted, grantedProfile{profile: prof, grant: g})
		}
	}
}

func byOrder(a, b *grant) int { return cmp.Compare(a.order, b.order) }

func (s *Selection) addRequested(p *Policy, r *Request, name string) error {
	prof := p.profiles[name]
	if prof == nil {
		return p.unknownProfile(r, name)
	}
	if i := slices.IndexFunc(s.granted, func(k grantedProfile) bool { return k.profile == prof }); i >= 0 {
		s.granted[i].requested = true
		return nil
	}
	var by *grant
	for b := range p.index.buckets(r.Namespace) {
		set := b.byProfile[name]
		if set == nil {
			continue
		}
		for g := range set.candidates(r.Labels) {
			if p.narrow(g, r) == fits && p.reaches(g, prof, r.Handler) && (by == nil || g.order < by.order) {
				by = g
			}
		}
	}
	if by == nil {
		return p.notGranted(r, name)
	}
	s.granted = append(s.granted, grantedProfile{profile: prof, grant: by, requested: true})
	return nil
}

// unknownProfile words the refusal of a name that no profile has. It speaks of what is
// granted to the namespace alone.
func (p *Policy) unknownProfile(r *Request, name string) *Refusal {
	granted := p.grantedTo(r)
	refusal := r.Refuse(UnknownProfile, clip(name, maxName), "asks for profile %q, which does not exist (granted in namespace %q: %s)",
		clip(name, maxName), r.Namespace, listNames(granted))
	if strings.ContainsAny(name, " \t\r\n;|\"'[]{}()") {
		return refusal.Advise("write bare names with commas between them")
	} else if meant := Nearest(name, granted); meant != "" {
		return refusal.Advise("did you mean %q?", meant)
	}
	return refusal
}

// notGranted words the refusal of a profile: whom it is for where a grant of
// the namespace nearly fits, and what else could be had.
func (p *Policy) notGranted(r *Request, name string) *Refusal {
	var near []*grant
	for b := range p.index.buckets(r.Namespace) {
		if set := b.byProfile[name]; set != nil {
			near = slices.AppendSeq(near, set.all())
		}
	}
	if len(near) == 0 {
		return r.Refuse(NotGranted, name, "asks for profile %q, which is not granted in namespace %q (granted there: %s)",
			name, r.Namespace, listNames(p.grantedTo(r)))
	}
	slices.SortFunc(near, byOrder)
	var whom []string
	for _, g := range near {
		n := p.narrow(g, r)
		if n == fits {
			n = otherHandlers // fits for what else it gives: see reaches
		}
		if words := n.words(p, g); !slices.Contains(whom, words) {
			whom = append(whom, words)
		}
	}
	also := ""
	if others := slices.DeleteFunc(p.grantedTo(r), func(n string) bool { return n == name }); len(others) > 0 {
		also = fmt.Sprintf(" (also granted there: %s)", listNames(others))
	}
	return r.Refuse(NotGranted, name, "asks for profile %q, which is granted in namespace %q %s%s",
		name, r.Namespace, clip(strings.Join(whom, ", or "), maxWhom), also)
}

// grantedTo returns the profiles that grants give to the container if it asks,
// sorted.
func (p *Policy) grantedTo(r *Request) []string {
	names := map[string]bool{}
	for b := range p.index.buckets(r.Namespace) {
		for name, set := range b.byProfile {
			for g := range set.candidates(r.Labels) {
				if p.narrow(g, r) == fits && p.reaches(g, p.profiles[name], r.Handler) {
					names[name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// A refusal ends up in a Kubernetes event, which holds 1,024 bytes.
const (
	maxListed = 20  // names
	maxWhom   = 400 // bytes
)

func listNames(names []string) string {
	switch {
	case len(names) == 0:
		return "nothing"
	case len(names) > maxListed:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return strings.Join(names, ", ")
}

// reasons is the trail's first part: which grant gave what.
func (s Selection) reasons() []Reason {
	reasons := make([]Reason, len(s.granted))
	for i, k := range s.granted {
		how := "always"
		if k.requested {
			how = "on request"
		}
		text := fmt.Sprintf("granted %s by %s", how, k.grant.Source)
		if by := k.askedBy(); by != "" {
			text += ": " + by
		}
		reasons[i] = Reason{Code: Granted, Profile: k.profile.Name, Text: text}
	}
	return reasons
}

// askedBy says which third-party annotations ask for what the profile is the answer
// to; "" for none.
func (k *grantedProfile) askedBy() string {
	things := map[string][]string{}
	for _, a := range k.requests {
		if what := a.what(); !slices.Contains(things[a.key], what) {
			things[a.key] = append(things[a.key], what)
		}
	}
	var all []string
	for _, key := range sortedKeys(things) {
		all = append(all, fmt.Sprintf("annotation %q asks for %s", key, listNames(things[key])))
	}
	return strings.Join(all, ", and ")
}
