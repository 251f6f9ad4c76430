// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	_ "embed"
	"fmt"
	"slices"

	"github.com/nodegate/nodegate/plugin/policy"
)

//go:embed profiles.toml
var builtInProfiles []byte

// builtInName stands for the embedded file in errors.
const builtInName = "built-in profiles.toml"

// builder puts the files of one policy together.
type builder struct {
	config   Config
	audit    bool
	docs     []*document // the built-in profiles, then the files
	tops     []*table    // of each, nil where the text is not TOML
	profiles []*profile
	byName   map[string]*profile
	grants   []*grant
}

// profile is one [profiles.name], and grant one [[grants]], while they are
// being read. One that is broken is already reported, and what the engine says
// of the rest of it would only be a consequence.
type profile struct {
	policy.Profile
	table    *table
	builtIn  bool
	broken   bool
	includes []item
	paths    []item // of devices on the host, looked at once all files are read

	resourceIn *table // where the resource is written
}

type grant struct {
	policy.Grant
	table    *table
	broken   bool
	profiles []item
}

// newBuilder starts with the built-in profiles, read as any other file is: they
// are checked by the same rules, and what overrides them comes later.
func newBuilder() *builder {
	b := &builder{config: defaults(), byName: map[string]*profile{}}
	b.parse(file{builtInName, builtInProfiles})
	return b
}

// parse leaves nil for a file whose text is not TOML, so that files and tops
// stay side by side.
func (b *builder) parse(f file) *table {
	d := &document{name: f.name, lines: newLines(f.data)}
	b.docs = append(b.docs, d)
	var top *table
	if values := d.decode(f.data); len(d.errors) == 0 {
		top = &table{doc: d, values: values}
		d.findComments(f.data)
	}
	b.tops = append(b.tops, top)
	return top
}

// add reads one file. The main file says which version of this format the
// policy is written in; under another version its keys mean something else.
func (b *builder) add(f file, main bool) {
	top := b.parse(f)
	if top == nil {
		return
	}
	v, there := top.take("version")
	switch {
	case there && v != int64(1):
		what, install := kind(v), ""
		if n, ok := v.(int64); ok {
			what = fmt.Sprint(n)
			if n > 1 {
				install = fmt.Sprintf(", or install a nodegate that knows version %d", n)
			}
		}
		top.bad("version", "is %s, and this nodegate reads version 1: write version = 1%s", what, install)
		b.tops[len(b.tops)-1] = nil
	case !there && main:
		top.doc.errorAt(1, "version is missing: write version = 1 as the first line")
	}
}

// build reads settings from all files before any profile: what a device may
// be depends on them.
func (b *builder) build() (*Config, error) {
	b.eachTop(b.settings)
	b.eachTop(b.readProfiles)
	b.eachTop(b.readGrants)
	b.eachTop((*table).finish)
	b.checkDevicePaths()
	// Where a file cannot be read at all, what it holds would be missed.
	if !slices.Contains(b.tops, nil) {
		b.checkNames()
		b.spread()
		b.compile()
	}

	var all Errors
	for _, d := range b.docs {
		slices.SortStableFunc(d.errors, func(x, y *Error) int { return x.Line - y.Line })
		all = append(all, d.errors...)
	}
	if len(all) > 0 {
		return nil, all
	}
	return &b.config, nil
}

func (b *builder) eachTop(do func(*table)) {
	for _, top := range b.tops {
		if top != nil {
			do(top)
		}
	}
}
