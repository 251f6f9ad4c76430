// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/annotations"
	"github.com/nodegate/nodegate/plugin/policy"
)

// checkNames finds profiles that are named and not written. The engine would
// too, but knows no lines within a list.
func (b *builder) checkNames() {
	var names []string
	for _, p := range b.profiles {
		names = append(names, p.Name)
	}
	check := func(d *document, it item, broken *bool) {
		if b.byName[it.value] == nil {
			d.bad(it.path, "is %q, and no profile is called that: %s", it.value, suggest(it.value, names))
			*broken = true
		}
	}
	for _, p := range b.profiles {
		for _, it := range p.includes {
			check(p.table.doc, it, &p.broken)
		}
	}
	for _, g := range b.grants {
		for _, it := range g.profiles {
			check(g.table.doc, it, &g.broken)
		}
	}
}

// spread marks as broken what builds on something broken.
func (b *builder) spread() {
	broken := func(name string) bool {
		p := b.byName[name]
		return p != nil && p.broken
	}
	for again := true; again; {
		again = false
		for _, p := range b.profiles {
			if !p.broken && slices.ContainsFunc(p.Include, broken) {
				p.broken, again = true, true
			}
		}
	}
	for _, g := range b.grants {
		g.broken = g.broken || slices.ContainsFunc(g.Profiles, broken)
	}
}

// compile hands what was read to the engine, and puts what the engine says
// against it to the lines that it is about.
func (b *builder) compile() {
	src := policy.Source{Hash: b.config.Hash, Audit: b.audit, Handlers: b.config.Runtime.Handlers, Wrapper: "nodegate-runc", ShadowDir: b.config.State.ShadowDir,
		Devices: annotations.YAML{}}
	where := places{files: b.docs[1:], profiles: map[string]origin{}}
	for _, p := range b.profiles {
		src.Profiles = append(src.Profiles, p.Profile)
		where.profiles[p.Name] = origin{p.table.doc, p.table.path}
		b.config.Profiles = append(b.config.Profiles, Profile{Profile: p.Profile, BuiltIn: p.builtIn,
			Source: p.table.doc.source(p.table.path)})
	}
	for _, g := range b.grants {
		src.Grants = append(src.Grants, g.Grant)
		where.grants = append(where.grants, origin{g.table.doc, g.table.path})
	}
	b.config.Grants, b.config.places = src.Grants, where

	compiled, err := policy.New(src)
	b.config.Policy = compiled
	if err == nil {
		return
	}
	for _, problem := range problems(err) {
		b.report(problem)
	}
}

// report finds the file that a problem is in.
func (b *builder) report(problem *policy.Problem) {
	if problem.Profile == "" {
		b.grants[problem.Grant].table.object(b.grants[problem.Grant].broken, problem)
		return
	}
	p := b.byName[problem.Profile]
	if !p.builtIn {
		p.table.object(p.broken, problem)
		return
	}
	if strings.HasPrefix(problem.Key, "resource") {
		t := p.resourceIn
		t.bad(strings.TrimPrefix(problem.Key, "resource."), "%s", problem.Text)
		return
	}
	// The built-in profiles fit together, so this is about one in their midst
	// that the policy overrides; and that is a file which can be changed.
	for _, name := range p.Include {
		by := b.byName[name]
		if by.Resource.Exclusive {
			by.resourceIn.bad("exclusive", "does not fit the built-in profile %q, which includes it: write slots in its place, or an %q of your own", p.Name, name+"-exclusive")
			return
		}
		if !by.builtIn {
			if !by.broken {
				by.table.doc.bad(by.table.path, "does not fit the built-in profile %q, which includes it (%s): change it, or write a %q as well",
					p.Name, problem.Text, p.Name)
			}
			return
		}
	}
	p.table.object(false, problem)
}

// object reports what the engine says, unless the table is broken already.
func (t *table) object(broken bool, problem *policy.Problem) {
	if !broken {
		t.doc.errorAt(t.doc.lines.line(t.path+"."+problem.Key), "%s.%s: %s", t.path, problem.Key, problem.Text)
	}
}

// problems takes apart what the engine joined.
func problems(err error) []*policy.Problem {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	var out []*policy.Problem
	for _, e := range joined.Unwrap() {
		if p := (*policy.Problem)(nil); errors.As(e, &p) {
			out = append(out, p)
		}
	}
	return out
}
