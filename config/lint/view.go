// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

// view is a grant with all that its profiles hold.
type view struct {
	policy.Grant
	config *config.Config
	index  int
	parts  []part
}

// part is one profile that a grant gives, named in it or included by one that is.
type part struct {
	*config.Profile
	granted int // index in the grant's profiles
}

func (l *linter) view(i int) *view {
	v := &view{Grant: l.config.Grants[i], config: l.config, index: i}
	for n, name := range v.Profiles {
		for _, p := range l.closure(name) {
			v.parts = append(v.parts, part{p, n})
		}
	}
	return v
}

// closure is a profile and all that it includes, each once.
func (l *linter) closure(name string) []*config.Profile {
	out := []*config.Profile{l.profiles[name]}
	for i := 0; i < len(out); i++ {
		for _, inc := range out[i].Include {
			if p := l.profiles[inc]; !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

func (v *view) at(key string) config.Place { return v.config.GrantPlace(v.index, key) }

// of is where the grant names the profile that a part comes with.
func (v *view) of(p part) config.Place { return v.at(fmt.Sprintf("profiles[%d]", p.granted)) }

// named says which profile it is, for a reader of the grant.
func (v *view) named(p part) string {
	if name := v.Profiles[p.granted]; name != p.Name {
		return fmt.Sprintf("profile %q, which includes %q,", name, p.Name)
	}
	return fmt.Sprintf("profile %q", p.Name)
}

// inUserNamespace reports whether only pods with a user namespace get anything of
// what comes with the grant's n-th profile.
func (v *view) inUserNamespace(n int) bool {
	return v.UserNamespace == policy.RequiredUserNamespace ||
		slices.ContainsFunc(v.parts, func(p part) bool { return p.granted == n && p.Requires.UserNamespace })
}

// has reports whether a profile of the grant holds something.
func (v *view) has(what func(p *config.Profile) bool) bool {
	return slices.ContainsFunc(v.parts, func(p part) bool { return what(p.Profile) })
}

// where is the path of a profile's key, for a reader.
func where(p *config.Profile, key string) string {
	name := p.Name
	if strings.Contains(name, ".") {
		name = strconv.Quote(name)
	}
	return "profiles." + name + "." + key
}

// gives reports whether a profile hands over something of the node, or a right.
func gives(p *config.Profile) bool {
	a := p.Outline()
	return a.Gives()
}

// takesAway reports whether a profile leaves a container with less than it had.
func takesAway(p *config.Profile) bool {
	a := p.Outline()
	return a.TakesAway()
}

// needsWrapper names the key of a profile that only the wrapper delivers; "" for none.
func needsWrapper(p *config.Profile) string {
	for _, k := range p.Kinds() {
		if k.NeedsWrapper() {
			return k.Key
		}
	}
	return ""
}
