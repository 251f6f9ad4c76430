// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"slices"
)

// Verdict says what came of one profile of one grant. The set is closed.
type Verdict string

// What can come of a profile of a grant whose namespaces fit, and for a profile
// that the pod asks for, of any grant.
const (
	Gives          Verdict = "gives"           // the container gets it by this grant
	GivenBefore    Verdict = "given_before"    // it gets it by another grant
	NotAsked       Verdict = "not_asked"       // it would get it if it asked
	Narrowed       Verdict = "narrowed"        // a condition beside the namespace does not hold
	OtherNamespace Verdict = "other_namespace" // it is asked for, and granted elsewhere
)

// Match is what came of one profile of one grant, for one container.
type Match struct {
	Grant   Grant
	Profile string
	Verdict Verdict
	Why     string // a phrase
}

// Explain says of each grant that concerns the container, or nearly does, what
// it gives and why it does not give more, in the order of the policy. It
// answers for a container that Select refuses as well. It is for people: it
// looks at every grant.
func (p *Policy) Explain(r *Request) []Match {
	asked, _ := r.requested() // one that does not parse asks for nothing
	always := *r
	always.Annotations, always.Allotted = nil, nil
	s, _ := p.Select(&always)
	asked = append(slices.Clip(asked), sortedKeys(r.Allotted)...)
	for _, name := range asked {
		_ = s.addRequested(p, r, name) // what is refused adds nothing
	}
	if requests, refusal := p.thirdPartyRequests(r, p.accepted(r.Namespace)); refusal == nil {
		_ = s.answer(p, r, requests) // the same
	}
	var out []Match
	for _, g := range p.grants {
		here := matchAny(g.Namespaces, r.Namespace)
		for _, name := range g.Profiles {
			if m := p.match(g, r, name, s.byProfile(name)); here || slices.Contains(asked, name) {
				if !here {
					m.Verdict, m.Why = OtherNamespace, "only in namespace "+quoteList(g.Namespaces)
				}
				out = append(out, m)
			}
		}
	}
	return out
}

func (s *Selection) byProfile(name string) *grantedProfile {
	i := slices.IndexFunc(s.granted, func(k grantedProfile) bool { return k.profile.Name == name })
	if i < 0 {
		return nil
	}
	return &s.granted[i]
}

// match explains a profile of a grant whose namespaces fit; by is how the
// container gets the profile, or nil.
func (p *Policy) match(g *grant, r *Request, name string, by *grantedProfile) Match {
	m := Match{Grant: g.Grant, Profile: name}
	switch n := p.narrow(g, r); {
	case n != fits:
		m.Verdict, m.Why = Narrowed, n.words(p, g)
	case !p.reaches(g, p.profiles[name], r.Handler):
		m.Verdict, m.Why = Narrowed, otherHandlers.words(p, g)
	case by == nil && g.Always:
		m.Verdict, m.Why = Narrowed, unknownUserNamespace.words(p, g) // of another grant, which stops all
	case by == nil:
		m.Verdict, m.Why = NotAsked, "not asked for"
	case by.grant != g:
		m.Verdict, m.Why = GivenBefore, "given by "+by.grant.Source
	case g.Always:
		m.Verdict, m.Why = Gives, "always"
	default:
		m.Verdict, m.Why = Gives, cmp.Or(by.askedBy(), "asked for")
	}
	return m
}
