// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"slices"

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
		if !slices.Contains(names, it.value) {
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

// compile hands what was read to the engine, and puts what the engine says
// against it to the lines that it is about.
func (b *builder) compile() {
	src := policy.Source{Audit: b.audit, Handlers: b.config.Runtime.Handlers, ShadowDir: b.config.State.ShadowDir}
	for _, p := range b.profiles {
		src.Profiles = append(src.Profiles, p.Profile)
		b.config.Profiles = append(b.config.Profiles, Profile{Profile: p.Profile, BuiltIn: p.builtIn,
			Source: p.table.doc.source(p.table.path)})
	}
	for _, g := range b.grants {
		src.Grants = append(src.Grants, g.Grant)
	}
	b.config.Grants = src.Grants

	compiled, err := policy.New(src)
	b.config.Policy = compiled
	if err == nil {
		return
	}
	for _, problem := range problems(err) {
		t, broken := b.tableOf(problem)
		if !broken {
			t.doc.errorAt(t.doc.lines.line(t.path+"."+problem.Key), "%s.%s: %s", t.path, problem.Key, problem.Text)
		}
	}
}

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

// tableOf returns the table that a problem is in, and whether it is broken.
func (b *builder) tableOf(problem *policy.Problem) (*table, bool) {
	if problem.Profile == "" {
		g := b.grants[problem.Grant]
		return g.table, g.broken
	}
	i := slices.IndexFunc(b.profiles, func(p *profile) bool { return p.Name == problem.Profile })
	return b.profiles[i].table, b.profiles[i].broken
}
