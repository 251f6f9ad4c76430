// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/nodegate/nodegate/plugin/policy"
)

var profileName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9._]{0,61}[a-z0-9])?$`)

func (b *builder) readProfiles(top *table) {
	all := top.table("profiles", "[profiles.name]")
	if all == nil {
		return
	}
	for _, name := range all.keys() {
		t := all.table(name, fmt.Sprintf("[%s]", all.at(name)))
		if t == nil {
			continue
		}
		if b.addResource(name, t) {
			continue
		}
		p := &profile{table: t, builtIn: t.doc == b.docs[0]}
		p.Name = name
		b.addProfile(p)
		before := len(t.doc.errors)
		if !profileName.MatchString(name) {
			t.doc.bad(t.path, "is not a name for a profile: write up to 63 lower-case letters, digits, - . and _, with a letter or digit at both ends")
		}
		p.read()
		p.broken = len(t.doc.errors) > before
	}
}

// addProfile takes a profile in. One of the same name may replace a built-in
// one, and takes its place in the list; any other is a mistake.
func (b *builder) addProfile(p *profile) {
	have := b.byName[p.Name]
	switch {
	case have == nil:
		b.profiles = append(b.profiles, p)
		b.byName[p.Name] = p
	case have.builtIn:
		b.profiles[slices.Index(b.profiles, have)] = p
		b.byName[p.Name] = p
	default:
		p.table.doc.bad(p.table.path, "is written in %s already: keep one, or give the other another name", have.table.doc.source(have.table.path))
	}
}

// read takes every key that a profile may have. The order is that of messages
// about one line only; otherwise they are sorted by line.
func (p *profile) read() {
	t := p.table
	before := len(t.doc.errors)
	p.Description, _ = t.str("description", "")
	p.includes = t.list("include", `"ping"`)
	for _, it := range p.includes {
		p.Include = append(p.Include, it.value)
	}
	p.requires()
	p.devices()
	p.deviceRules()
	p.cdi()
	p.AdoptDevices = t.boolean("adopt_devices")
	p.capabilities()
	p.seccomp()
	p.sysctls()
	p.env()
	p.rlimits()
	p.CgroupWritable = t.choice("cgroup", "writable") != ""
	p.tmpfs()
	p.ProcUnmasked = t.choice("proc_mount", "unmasked", "default") == "unmasked"
	p.apparmor()
	p.resource(t)
	p.dotsInName()
	t.finish()
	if len(t.doc.errors) == before && p.Resource.Is() && len(t.values) == 1 {
		t.doc.bad(t.path, "has a resource and nothing else, and no profile of that name stands before it: write what a container gets")
	} else if len(t.doc.errors) == before && p.gives() == 0 {
		t.doc.bad(t.path, "gives nothing: write what a container gets, such as devices, sysctls or include")
	}
}

// dotsInName notices [profiles.a.b] for a profile "a.b": TOML reads a table b
// in profile a.
func (p *profile) dotsInName() {
	for _, key := range p.table.keys() {
		if _, isTable := p.table.values[key].(map[string]any); isTable && !slices.Contains(p.table.known, key) && policy.Nearest(key, p.table.known) == "" {
			p.table.known = append(p.table.known, key)
			p.table.bad(key, "is not a table that a profile has: if the name of the profile has a dot, put it in quotes, [profiles.%q]", p.Name+"."+key)
		}
	}
}

// gives counts the keys that do something. A profile without any would be
// granted, and asked for, and change nothing, which nobody means; one that only
// requires something does refuse where that does not hold.
func (p *profile) gives() int {
	n := 0
	for key := range p.table.values {
		switch key {
		case "description", "resource":
		case "adopt_devices", "proc_mount":
			if p.table.values[key] != false && p.table.values[key] != "default" {
				n++
			}
		case "capabilities":
			n += len(p.Capabilities.Add) + len(p.Capabilities.Drop)
		default:
			if !emptyValue(p.table.values[key]) {
				n++
			}
		}
	}
	return n
}

// emptyValue tells lists and tables without content, which are as good as
// unwritten.
func emptyValue(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func (p *profile) requires() {
	t := p.table.table("requires", "["+p.table.at("requires")+"]")
	if t == nil {
		return
	}
	p.Requires.UserNamespace = t.boolean("user_namespace")
	if t.values["user_namespace"] == false {
		// It reads like "none", and a container with one would still get it.
		t.bad("user_namespace", `is false, which requires nothing: leave it out, or write user_namespace = "forbidden" in the grants`)
	}
	p.Requires.Cgroup = policy.CgroupVersion(t.choice("cgroup", string(policy.CgroupV1), string(policy.CgroupV2)))
	t.finish()
}
