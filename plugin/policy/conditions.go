// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

// Conditions are what of a policy a pod's manifest can be held against without a node:
// who may ask for what, and what a refusal says to the others.
type Conditions struct {
	Profiles []ProfileConditions // by name
	Grants   []GrantConditions   // in the order of the policy
}

// ProfileConditions are those of a profile with all that it includes.
type ProfileConditions struct {
	Name            string
	UserNamespaceBy string // the profile that requires a user namespace, this one or an included one; "" for none
	Exclusive       bool   // it is only given by the unit, to who has its resource in the limits
}

// GrantConditions are those of a grant.
type GrantConditions struct {
	Grant
	// Whom the grant is for, in the words of a refusal of another pod, container or
	// runtime handler; "" where it is for all of them.
	OtherPods, OtherContainers, OtherHandlers string
}

// Conditions returns those of all profiles and grants.
func (p *Policy) Conditions() Conditions {
	var out Conditions
	for _, name := range sortedKeys(p.profiles) {
		prof := p.profiles[name]
		out.Profiles = append(out.Profiles, ProfileConditions{Name: name,
			UserNamespaceBy: prof.merged.requiredBy["user_namespace"], Exclusive: prof.Resource.Exclusive})
	}
	for _, g := range p.grants {
		c := GrantConditions{Grant: g.Grant}
		if g.Pods != nil {
			c.OtherPods = otherPods.words(p, g)
		}
		if len(g.Containers) > 0 {
			c.OtherContainers = otherContainers.words(p, g)
		}
		if len(g.Handlers) > 0 {
			c.OtherHandlers = otherHandlers.words(p, g)
		}
		out.Grants = append(out.Grants, c)
	}
	return out
}
