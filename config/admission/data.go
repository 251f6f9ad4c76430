// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"regexp"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
)

// Data is what the rules read of a policy. CEL's literals hold one type, so a grant is a
// table of lists, without those that are empty:
//
//	profiles                   names
//	namespaces, globs          exact names; regular expressions
//	pods                       requirements of the selector: "KEY in =A =B", "KEY exists"
//	containers                 regular expressions
//	handlers, userNamespace    as the policy has them
//	otherPods, otherContainers, otherHandlers
//	                           the words of the refusal where one of these does not match
//	always                     those of its profiles that every container gets, and that
//	                           require a user namespace
type Data struct {
	Names     []string          // of all profiles
	Requiring map[string]string // profiles that require a user namespace, and whose requirement it is
	Exclusive []string          // profiles that are only given by the unit
	Grants    []map[string][]string
	Always    string // matches the namespaces of grants with "always"; "" for none
}

// DataOf reads a compiled policy.
func DataOf(c policy.Conditions) Data {
	d := Data{Names: []string{}, Requiring: map[string]string{}, Exclusive: []string{}}
	for _, p := range c.Profiles {
		d.Names = append(d.Names, p.Name)
		if p.UserNamespaceBy != "" {
			d.Requiring[p.Name] = p.UserNamespaceBy
		}
		if p.Exclusive {
			d.Exclusive = append(d.Exclusive, p.Name)
		}
	}
	var always []string
	for i := range c.Grants {
		g := d.grant(&c.Grants[i])
		if g["always"] != nil {
			for _, name := range g["namespaces"] {
				always = append(always, regexp.QuoteMeta(name))
			}
			always = append(always, g["globs"]...)
		}
		d.Grants = append(d.Grants, g)
	}
	if slices.Sort(always); len(always) > 0 {
		d.Always = "^(?:" + strings.Join(slices.Compact(always), "|") + ")$"
	}
	return d
}

func (d *Data) grant(g *policy.GrantConditions) map[string][]string {
	out := map[string][]string{"profiles": g.Profiles}
	sure := true
	for _, pattern := range g.Namespaces {
		if !strings.ContainsAny(pattern, `*?[\`) {
			out["namespaces"] = append(out["namespaces"], pattern)
			continue
		}
		re, exact := globRegexp(pattern)
		out["globs"] = append(out["globs"], re)
		sure = sure && exact
	}
	if g.Pods != nil {
		var exact bool
		out["pods"], exact = requirements(g.Pods.String())
		sure = sure && exact
	}
	for _, pattern := range g.Containers {
		re, exact := globRegexp(pattern)
		out["containers"] = append(out["containers"], re)
		sure = sure && exact
	}
	out["handlers"] = g.Handlers
	if u := string(g.UserNamespace); u == string(policy.RequiredUserNamespace) || u == string(policy.ForbiddenUserNamespace) {
		out["userNamespace"] = []string{u}
	}
	for key, text := range map[string]string{"otherPods": g.OtherPods, "otherContainers": g.OtherContainers, "otherHandlers": g.OtherHandlers} {
		if text != "" {
			out[key] = []string{text}
		}
	}
	if g.Always && sure {
		for _, name := range g.Profiles {
			if d.Requiring[name] != "" {
				out["always"] = append(out["always"], name)
			}
		}
	}
	for key, list := range out {
		if len(list) == 0 {
			delete(out, key)
		}
	}
	return out
}
