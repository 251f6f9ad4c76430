// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// offer is a profile that has what is asked for, and the grant that gives it.
type offer struct {
	grant   *grant
	profile *profile
}

// answer adds the profiles by which the container gets what it asks for by
// third-party annotations. It goes on after something that no profile offers, and
// refuses for all of that together.
func (s *Selection) answer(p *Policy, r *Request, requests []thirdPartyRequest) error {
	if len(requests) == 0 { // as nearly always
		return nil
	}
	grants := p.accepting(r)
	offers := make([][]offer, len(requests))
	order := make([]int, len(requests))
	for i := range requests {
		order[i] = i
		offers[i] = p.offers(grants, &requests[i], r.Handler)
	}
	// What fewest profiles offer comes first: what it brings may be asked for
	// too, and another profile for that would bring more.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(offers[a]), len(offers[b])) })
	var refusal error
	for _, i := range order {
		a := &requests[i]
		at := slices.IndexFunc(s.granted, func(k grantedProfile) bool { return k.profile.merged.offers(a) })
		if at < 0 && len(offers[i]) == 0 {
			refusal = Together(refusal, p.notOffered(r, a))
			continue
		}
		if at < 0 {
			least := slices.MinFunc(offers[i], func(x, y offer) int { // the first of equals
				return cmp.Or(cmp.Compare(x.profile.merged.unmet(r), y.profile.merged.unmet(r)),
					cmp.Compare(x.profile.merged.rights(), y.profile.merged.rights()),
					cmp.Compare(x.profile.merged.besides(requests), y.profile.merged.besides(requests)))
			})
			at = len(s.granted)
			s.granted = append(s.granted, grantedProfile{profile: least.profile, grant: least.grant, requested: true})
		}
		s.granted[at].requests = append(s.granted[at].requests, *a)
	}
	return refusal
}

// accepting returns the grants that accept third-party annotations and fit the
// container, in the order of the policy.
func (p *Policy) accepting(r *Request) []*grant {
	var grants []*grant
	for b := range p.index.buckets(r.Namespace) {
		for g := range b.accepting.candidates(r.Labels) {
			if p.narrow(g, r) == fits && !slices.Contains(grants, g) {
				grants = append(grants, g)
			}
		}
	}
	slices.SortFunc(grants, byOrder)
	return grants
}

func (p *Policy) offers(grants []*grant, a *thirdPartyRequest, handler string) []offer {
	var offers []offer
	for _, g := range grants {
		if !g.accepts.has(a.party) {
			continue
		}
		for _, name := range g.Profiles {
			if prof := p.profiles[name]; prof.merged.offers(a) && p.reaches(g, prof, handler) && !prof.Resource.Exclusive {
				offers = append(offers, offer{g, prof})
			}
		}
	}
	return offers
}

// offers reports whether a merged profile holds the very thing that is asked for.
func (e *merged) offers(a *thirdPartyRequest) bool {
	switch {
	case a.cdi != "":
		return slices.Contains(e.cdiDevices, a.cdi)
	case a.device == nil:
		return e.cgroupWritableBy != ""
	}
	return slices.ContainsFunc(e.devices, func(d sourcedDevice) bool {
		at, ok := d.rule.Offers()
		return ok && at == a.device.Path && (a.device.Source == "" || a.device.Source == d.rule.Path)
	})
}

// Offers returns the one container path at which the rule gives a device, as far
// as the policy alone tells. A glob may stand for any number of them.
func (r *DeviceRule) Offers() (containerPath string, ok bool) {
	if _, _, whole := literalEnds(r.Path); (!whole || r.Path == "") && r.ContainerPath == "" {
		return "", false
	}
	return r.target(), true
}

// unmet is 1 for what the container would be refused for, since it lacks a user namespace.
func (e *merged) unmet(r *Request) int {
	if e.requires.UserNamespace && r.UserNamespace.OK && !r.UserNamespace.Value {
		return 1
	}
	return 0
}

// rights counts what lets the container do more to the kernel. Of two profiles these
// weigh first: a capability is more than any number of variables.
func (e *merged) rights() int {
	n := len(e.capabilities.Add)
	for _, s := range e.seccomp {
		if !s.Denies() {
			n++
		}
	}
	if e.procUnmasked {
		n++
	}
	if e.appArmor.value != "" {
		n++
	}
	return n
}

// besides counts what a merged profile gives beside what is asked for.
func (e *merged) besides(requests []thirdPartyRequest) int {
	n := len(e.deviceRules) + len(e.seccomp) + len(e.sysctls) + len(e.env) + len(e.tmpfs) + len(e.rlimits) +
		len(e.capabilities.Add) + len(e.capabilities.Drop)
	for _, d := range e.devices {
		at, ok := d.rule.Offers()
		if !ok || !slices.ContainsFunc(requests, func(a thirdPartyRequest) bool { return a.device != nil && a.device.Path == at }) {
			n++
		}
	}
	for _, name := range e.cdiDevices {
		if !slices.ContainsFunc(requests, func(a thirdPartyRequest) bool { return a.cdi == name }) {
			n++
		}
	}
	for _, given := range []bool{e.procUnmasked, e.appArmor.value != "", e.adoptDevicesBy != "",
		e.cgroupWritableBy != "" && !slices.ContainsFunc(requests, func(a thirdPartyRequest) bool { return a.device == nil && a.cdi == "" })} {
		if given {
			n++
		}
	}
	return n
}

// notOffered words the refusal of what no profile offers to the container: whom
// it is offered to where a grant nearly fits, and else what there is.
func (p *Policy) notOffered(r *Request, a *thirdPartyRequest) *Refusal {
	var whom, there []string
	for b := range p.index.buckets(r.Namespace) {
		for g := range b.accepting.all() {
			if !g.accepts.has(a.party) {
				continue
			}
			for _, name := range g.Profiles {
				e := &p.profiles[name].merged
				if e.offers(a) {
					n := p.narrow(g, r)
					if n == fits {
						n = otherHandlers // fits for what else it gives: see reaches
					}
					whom = append(whom, n.words(p, g))
				}
				there = append(there, e.offered(a)...)
			}
		}
	}
	if len(whom) > 0 {
		slices.Sort(whom)
		return r.Refuse(NotGranted, a.key, "asks by its annotation %q for %s, which is offered in namespace %q %s",
			a.key, a.what(), r.Namespace, clip(strings.Join(slices.Compact(whom), ", or "), maxWhom))
	}
	slices.Sort(there)
	return r.Refuse(NotGranted, a.key, "asks by its annotation %q for %s, which no profile offers that is granted in namespace %q to such annotations (offered there: %s)",
		a.key, a.what(), r.Namespace, clip(listNames(slices.Compact(there)), maxWhom))
}

// offered lists what could be asked for instead.
func (e *merged) offered(a *thirdPartyRequest) []string {
	if a.cdi != "" {
		return e.cdiDevices
	}
	var all []string
	for _, d := range e.devices {
		if at, ok := d.rule.Offers(); ok && a.device != nil {
			all = append(all, at)
		}
	}
	return all
}

// quote shows what a pod's author wrote, cut.
func quote(s string) string { return strconv.Quote(clip(s, maxName)) }
