// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Source is a policy as it was written: what config reads from TOML.
type Source struct {
	Hash      string   // names the policy in logs and metrics; "" for none
	Audit     bool     // decide everything, change and refuse nothing
	Handlers  []string // runtime handlers under which all changes can be delivered
	Wrapper   string   // what those handlers run, for sentences
	ShadowDir string   // host directory of shadow nodes, absolute
	Profiles  []Profile
	Grants    []Grant // in the order in which they apply

	// Devices reads third-party annotations that list devices. Without it those
	// are refused where a grant accepts them.
	Devices DeviceReader
}

// Policy answers what a container gets. It is immutable and safe for
// concurrent use. Make one with New.
type Policy struct {
	hash      string
	audit     bool
	handlers  []string
	wrapper   string
	shadowDir string
	profiles  map[string]*profile
	grants    []*grant
	index     *grantIndex
	labels    []string // that some grant's selector looks at
	devices   DeviceReader
}

// profile is a Profile with its includes resolved.
type profile struct {
	Profile
	merged     merged
	definition string // tells two definitions of one name apart
	takesAway  bool   // leaves a container with less than it had
}

// Problem is one thing that is wrong with a Source, and where: in the named
// profile, or else in the grant with that index.
type Problem struct {
	Profile string
	Grant   int
	Key     string // the TOML key within it, dotted: "include", "devices[1].path"; "" for all of it
	Text    string // what is wrong, and what to write instead
}

func (e *Problem) Error() string {
	text := e.Text
	if e.Key != "" {
		text = e.Key + ": " + text
	}
	if e.Profile != "" {
		return fmt.Sprintf("profile %q: %s", e.Profile, text)
	}
	return fmt.Sprintf("grant %d: %s", e.Grant+1, text)
}

// New compiles a policy. It reports everything that is wrong at once: the
// error joins one [*Problem] for each.
func New(src Source) (*Policy, error) {
	p := &Policy{
		hash:      src.Hash,
		audit:     src.Audit,
		handlers:  slices.Clone(src.Handlers),
		wrapper:   src.Wrapper,
		shadowDir: src.ShadowDir,
		devices:   src.Devices,
	}
	var problems []error
	p.profiles, problems = compileProfiles(src.Profiles)
	for i := range src.Grants {
		g, errs := p.compileGrant(i, src.Grants[i])
		problems = append(problems, errs...)
		p.grants = append(p.grants, g)
		if g.Pods != nil {
			p.labels = append(p.labels, g.Pods.Keys()...)
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	slices.Sort(p.labels)
	p.labels = slices.Compact(p.labels)
	p.index = newGrantIndex(p.grants)
	return p, nil
}

// WithShadowDir returns the policy with another directory of shadow nodes: an
// agent keeps to the one that it started with.
func (p *Policy) WithShadowDir(dir string) *Policy {
	other := *p
	other.shadowDir = dir
	return &other
}

// Hash is the name of the policy's content.
func (p *Policy) Hash() string { return p.hash }

// Audit reports whether decisions are only to be counted.
func (p *Policy) Audit() bool { return p.audit }

// Wrapped reports whether containers of the runtime handler run under the wrapper.
func (p *Policy) Wrapped(handler string) bool { return slices.Contains(p.handlers, handler) }

// Handlers returns the runtime handlers that run the wrapper.
func (p *Policy) Handlers() []string { return slices.Clone(p.handlers) }

func (p *Policy) compileGrant(i int, in Grant) (*grant, []error) {
	g := &grant{Grant: in, order: i, accepts: setOf(in.Accept)}
	var problems []error
	bad := func(key, format string, args ...any) {
		problems = append(problems, &Problem{Grant: i, Key: key, Text: fmt.Sprintf(format, args...)})
	}
	if len(in.Profiles) == 0 {
		bad("profiles", "a grant gives nothing without profiles: name at least one")
	}
	if len(in.Namespaces) == 0 {
		bad("namespaces", `a grant is for somebody: name namespaces, or write ["*"] for all`)
	}
	badGlobs(in.Namespaces, "namespaces", bad)
	badGlobs(in.Containers, "containers", bad)
	if in.Always && len(in.Accept) > 0 {
		bad("accept", `the grant gives its profiles without being asked, so no annotation makes a difference: write apply = "on_request", or leave accept out`)
	}
	for j, f := range in.Accept {
		if !slices.Contains(allThirdParties[:], f) {
			bad(fmt.Sprintf("accept[%d]", j), "%q is not an annotation that can be accepted", f)
		}
	}
	var sum merged
	for _, name := range in.Profiles {
		prof := p.profiles[name]
		if prof == nil {
			bad("profiles", "no profile is called %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(p.profiles)), ", "))
			continue
		}
		if in.Always && prof.Resource.Exclusive {
			bad("apply", "gives %q to every container, and each of its devices is for one: write apply = \"on_request\", or slots in its resource", name)
		}
		g.takesAway = g.takesAway || prof.takesAway
		if conflict := sum.merge(&prof.merged, ""); conflict != nil {
			bad("profiles", "%s: a container cannot get both, so grant them apart", conflict)
		}
	}
	if err := sum.checkSeccomp(); err != nil {
		bad("profiles", "%s, or grant them apart", err)
	}
	if g.takesAway {
		if by := narrowedBy(&in); len(by) > 0 {
			bad(by[0], "the grant takes something away (a capability, or a system call by errno), and a pod's author could walk around %s: narrow it by namespaces alone",
				strings.Join(by, ", "))
		}
	}
	return g, problems
}

// badGlobs reports patterns that do not parse. Such a pattern matches nothing,
// so a grant that takes something away would quietly take it from nobody.
func badGlobs(patterns []string, key string, bad func(key, format string, args ...any)) {
	for i, pattern := range patterns {
		if CheckGlob(pattern) != nil {
			bad(fmt.Sprintf("%s[%d]", key, i), `%q is not a glob: close its "[", or put a backslash before it`, pattern)
		}
	}
}

// narrowedBy names the keys that narrow a grant by what a pod's author chooses.
func narrowedBy(g *Grant) []string {
	var by []string
	if g.Pods != nil {
		by = append(by, "pods")
	}
	// "*" and the empty list are the same thing.
	if len(g.Containers) > 0 && !slices.Contains(g.Containers, "*") {
		by = append(by, "containers")
	}
	if len(g.Handlers) > 0 {
		by = append(by, "runtime_handlers")
	}
	if g.UserNamespace != AnyUserNamespace && g.UserNamespace != "" {
		by = append(by, "user_namespace")
	}
	return by
}
