// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import "github.com/nodegate/nodegate/plugin/policy"

// resource makes the profile an extended resource.
func (p *profile) resource(from *table) {
	t := from.table("resource", "["+from.at("resource")+"]")
	if t == nil {
		return
	}
	p.resourceIn = t
	before := len(t.doc.errors)
	var r policy.Resource
	slots, counted := t.number("slots", "110")
	r.Exclusive = t.boolean("exclusive")
	switch {
	case counted && r.Exclusive:
		t.bad("slots", "stands beside exclusive, with which the devices are counted: write one of them")
	case counted && (slots < 1 || slots > policy.MaxSlots):
		t.bad("slots", "is %d: write how many containers of a node may have the profile at once, from 1 to %d", slots, policy.MaxSlots)
	case t.values["slots"] == nil && !r.Exclusive:
		t.doc.errorAt(t.doc.lines.line(t.path), "%s says nothing of how many there are: write slots = 110, or exclusive = true for one container per device", t.path)
	}
	r.Slots = int(slots)
	t.finish()
	if len(t.doc.errors) == before {
		p.Resource = r
	}
}

// addResource reads a table that has nothing but a resource: it makes one of a profile
// that is there, a built-in one for instance, which stays as it is.
func (b *builder) addResource(name string, t *table) bool {
	have := b.byName[name]
	if have == nil || len(t.values) != 1 || t.values["resource"] == nil {
		return false
	}
	before := len(t.doc.errors)
	if have.Resource.Is() {
		t.bad("resource", "is written in %s already: keep one", have.resourceIn.doc.source(have.resourceIn.path))
	}
	have.resource(t)
	t.finish()
	have.broken = have.broken || len(t.doc.errors) > before
	return true
}

// kubelet reads where the kubelet's own folders are.
func (t *table) kubelet(into *Kubelet) {
	if t.values["plugin_dir"] == "" {
		t.take("plugin_dir")
		into.PluginDir = ""
		return
	}
	absolute(t, "plugin_dir", &into.PluginDir)
}
