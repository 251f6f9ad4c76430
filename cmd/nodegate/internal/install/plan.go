// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

// Options say what to install, and where.
type Options struct {
	Root       string // of the host's files; "/" or where they are mounted
	Layout     string // of Layouts; "" for auto
	Config     string // of containerd; "" for the layout's
	Containerd string // its version; "" to ask it
	Prefix     string // of the programs; "" for /usr/local/bin, or /opt/nodegate/bin on a read-only /usr
	From       string // where the programs are; "" for beside this one

	DefaultRuntime bool // the wrapper runs every pod
	Unit           bool // the systemd unit
	EditManaged    bool // edit a file that says that a tool manages it
}

// Plan is what is to be done on a node.
type Plan struct {
	Writes []Write
	Notes  []string // for the administrator
	Units  []string // that run containerd
	// Reread says that containerd has to be restarted, for a change of its
	// configuration.
	Reread bool

	tree  Tree
	prune []string // directories, where they are empty afterwards
}

// Empty reports whether everything is as it is to be.
func (p *Plan) Empty() bool {
	return !slices.ContainsFunc(p.Writes, func(w Write) bool { return w.changes() })
}

// planner gathers the changes of one plan.
type planner struct {
	tree   Tree
	o      Options
	former *Manifest
	plan   *Plan
	next   *Manifest
	saved  []Write         // backups
	done   map[string]bool // paths that are planned
}

// NewPlan looks at the node and works out what an installation changes. It changes
// nothing.
func NewPlan(ctx context.Context, o Options) (*Plan, error) {
	p := &planner{tree: Tree{o.Root}, o: o, done: map[string]bool{}}
	former, manifestFile, err := p.tree.readManifest()
	if err != nil {
		return nil, err
	}
	p.former = former
	p.plan = &Plan{tree: p.tree}
	p.next = &Manifest{Version: 1}
	if former != nil {
		p.next.Dirs = former.Dirs
	}
	prefix, err := p.tree.prefix(o.Prefix, former)
	if err != nil {
		return nil, err
	}
	p.next.Prefix, p.next.Binary = prefix, path.Join(prefix, "nodegate-runc")
	n, err := p.containerd(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.agent(n); err != nil {
		return nil, err
	}
	if err := p.stale(); err != nil {
		return nil, err
	}
	return p.plan, p.finish(manifestFile)
}

// base reads a file as it would be without what was installed before.
func (p *planner) base(name string) (*File, error) {
	f, err := p.tree.follow(name)
	if err != nil || f == nil {
		return nil, err
	}
	return p.tree.original(p.former.entry(name), f)
}

// containerd plans the change of its configuration.
func (p *planner) containerd(ctx context.Context) (*needs, error) {
	layout, err := p.tree.layout(p.o.Layout, p.o.Config)
	if err != nil {
		return nil, err
	}
	p.plan.Units = p.tree.units(layout)
	p.next.Units = p.plan.Units
	r, err := p.release(ctx, layout)
	if err != nil {
		return nil, err
	}
	if !layout.generated { // a link in its place is no error elsewhere, as for imports
		if _, err := p.tree.Read(layout.config, textLimit); err != nil {
			return nil, err
		}
	}
	read := func(name string) ([]byte, error) {
		f, err := p.base(name)
		if err != nil || f == nil {
			return nil, err
		}
		if layout.generated && name == layout.config {
			return tomledit.WithoutBlock(f.Data), nil
		}
		return f.Data, nil
	}
	l, err := p.tree.load(r, layout.config, p.optional(layout.config, read))
	if err != nil {
		return nil, err
	}
	if len(l.files) == 0 {
		l.version, l.files = r.configVersion(), []string{layout.config}
	}
	place, err := l.place(p.tree, r, layout, read)
	if err != nil {
		return nil, err
	}
	if p.next.State, _ = lookup[string](l.doc, []string{"state"}); p.next.State == "" {
		p.next.State = "/run/containerd"
	}
	n, err := l.needs(r, p.next.Binary, p.o.DefaultRuntime)
	if err != nil || len(n.wants) == 0 {
		return n, err
	}
	p.plan.Notes = append(p.plan.Notes, n.notes...)
	data, err := p.change(place, n.wants)
	if err != nil || !place.toml {
		return n, err
	}
	return n, p.takesEffect(r, layout, place.path, data, n.wants, read)
}

// optional hides our own drop-in, which base says is not there while a listing still
// names it.
func (p *planner) optional(main string, read reader) reader {
	return func(name string) ([]byte, error) {
		data, err := read(name)
		if data == nil && err == nil && name != main && p.former.entry(name) != nil {
			return []byte{}, nil
		}
		return data, err
	}
}

func (p *planner) release(ctx context.Context, layout Layout) (release, error) {
	if p.o.Containerd != "" {
		return parseRelease(p.o.Containerd)
	}
	return p.tree.containerdVersion(ctx, layout.programs)
}

// change plans the write of one of containerd's files.
func (p *planner) change(place *place, wants []tomledit.Want) ([]byte, error) {
	f, err := p.tree.Read(place.path, textLimit)
	if err != nil {
		return nil, err
	}
	base, err := p.tree.original(p.former.entry(place.path), f)
	if err != nil {
		return nil, err
	}
	var old []byte
	if base != nil && !place.edit {
		return nil, fmt.Errorf("%s is there already and was not written by nodegate install: move it away", place.path)
	}
	if base != nil {
		old = base.Data
		if err := f.changeable(); err != nil {
			return nil, err
		}
		if err := managed(place.path, old); err != nil && !p.o.EditManaged {
			return nil, err
		}
	}
	data, edits, err := place.text(old, wants)
	if err != nil {
		return nil, err
	}
	e := Entry{Path: place.path, Kind: Runtime, Edits: edits}
	if len(edits) > 0 && place.toml {
		for _, w := range wants {
			e.Keys = append(e.Keys, w.Key)
		}
	}
	p.write(e, f, base, data, 0o644)
	p.plan.Reread = p.plan.Reread || p.plan.Writes[len(p.plan.Writes)-1].changes()
	return data, nil
}

// takesEffect loads the configuration with what is planned, as containerd will.
func (p *planner) takesEffect(r release, layout Layout, name string, data []byte, wants []tomledit.Want, read reader) error {
	l, err := p.tree.load(r, layout.config, p.optional(layout.config, func(n string) ([]byte, error) {
		if n == name {
			return data, nil
		}
		return read(n)
	}), name)
	if err != nil {
		return err
	}
	for _, w := range tomledit.Missing(l.doc, wants) {
		return fmt.Errorf("%s would not take effect, since a file that %s imports says something else (%s): change it there:\n\n%s",
			name, layout.config, strings.Join(l.files[1:], ", "), tomledit.Tables([]tomledit.Want{w}))
	}
	return nil
}

// agent plans everything else.
func (p *planner) agent(n *needs) error {
	binaries, err := programs(p.o.From)
	if err != nil {
		return err
	}
	for _, name := range []string{"nodegate", "nodegate-runc"} {
		if err := p.own(Program, path.Join(p.next.Prefix, name), binaries[name], 0o755); err != nil {
			return err
		}
	}
	policy := p.tree.policy()
	if err := p.policies(policy, n); err != nil {
		return err
	}
	if err := p.own(Policy, wrapperPath, wrapperConfig(n.runtime, policy.state), 0o644); err != nil {
		return err
	}
	if p.o.Unit {
		return p.own(Unit, unitPath, unit(p.next.Prefix), 0o644)
	}
	return nil
}

func (p *planner) policies(policy agentPolicy, n *needs) error {
	if !policy.exists || p.former.entry(policyPath) != nil {
		if err := p.own(Policy, policyPath, first(n, p.o.DefaultRuntime), 0o644); err != nil {
			return err
		}
	}
	if !policy.exists {
		return nil
	}
	if policy.err != nil {
		if p.o.DefaultRuntime {
			return fmt.Errorf("the policy has errors, and no pod starts under the wrapper without an agent: mend it first (nodegate check):\n%w", policy.err)
		}
		p.plan.Notes = append(p.plan.Notes, "the policy has errors, and the agent does not start with it: nodegate check says which")
		return nil
	}
	if n.socket != "" && n.socket != policy.socket {
		p.plan.Notes = append(p.plan.Notes, fmt.Sprintf("containerd's NRI socket is %s: write socket = %q under [nri] in the policy", n.socket, n.socket))
	}
	if !p.o.DefaultRuntime {
		return nil
	}
	if f, err := p.tree.Read(wrapperPath, textLimit); err != nil {
		return err
	} else if f != nil && p.former.entry(wrapperPath) == nil && !exempts(f.Data) {
		return fmt.Errorf("%s exempts no namespace, so that no pod at all, static ones included, would start without an agent: write exempt_namespaces = [\"kube-system\", \"nodegate\"]", wrapperPath)
	}
	if p.former.entry(handlersPath) != nil || !policy.handlesDefault() {
		return p.own(Runtime, handlersPath, []byte(dropInHead+handlers(policy.handlers)), 0o644)
	}
	return nil
}

// own plans a file of nodegate's own. What the administrator wrote or changed stays.
func (p *planner) own(kind Kind, name string, data []byte, mode uint32) error {
	limit := int64(textLimit)
	if kind == Program {
		limit = programLimit
	}
	f, err := p.tree.Read(name, limit)
	if err != nil {
		return err
	}
	entry := p.former.entry(name)
	base, err := p.tree.original(entry, f)
	switch {
	case errors.Is(err, errEdited) && kind == Policy:
		return nil // the administrator's
	case errors.Is(err, errEdited) && kind == Program:
		base, err = p.tree.before(entry) // a program is nobody's work on this node
	}
	if err != nil {
		return err
	}
	if base != nil && (kind == Policy || bytes.Equal(base.Data, data) && base.Mode == mode) {
		p.put(Write{Path: name, Now: f, After: base})
		return nil
	}
	if base != nil && kind != Program {
		return fmt.Errorf("%s is there already and was not written by nodegate install: move it away (a unit may also be left out by --no-systemd)", name)
	}
	p.write(Entry{Path: name, Kind: kind}, f, base, data, mode)
	return nil
}

// write notes a file, its original, and what is to become of it.
func (p *planner) write(e Entry, now, base *File, data []byte, mode uint32) {
	after := &File{Path: e.Path, Data: data, Mode: mode, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if base != nil {
		if e.Kind != Program {
			after.Mode = base.Mode
			after.UID, after.GID = base.UID, base.GID
		}
		original, backup := save(base)
		e.Before = original
		p.saved = append(p.saved, Write{Path: backup.Path, After: &backup})
	}
	e.SHA256 = sum(data)
	if former := p.former.entry(e.Path); former != nil {
		if e.Former = former.SHA256; e.Former == e.SHA256 {
			e.Former = former.Former
		}
	}
	p.next.Entries = append(p.next.Entries, e)
	p.put(Write{Path: e.Path, Now: now, After: after})
}

func (p *planner) put(w Write) {
	p.done[w.Path] = true
	p.plan.Writes = append(p.plan.Writes, w)
}

// stale undoes changes of containerd's configuration that are not wanted any more,
// and keeps a record of everything else that an earlier run wrote.
func (p *planner) stale() error {
	if p.former == nil {
		return nil
	}
	for _, e := range p.former.Entries {
		if p.done[e.Path] {
			continue
		}
		if e.Kind != Runtime {
			p.next.Entries = append(p.next.Entries, e)
			continue
		}
		f, err := p.tree.Read(e.Path, textLimit)
		if err != nil {
			return err
		}
		base, err := p.tree.original(&e, f)
		if err != nil {
			return err
		}
		p.put(Write{Path: e.Path, Now: f, After: base})
		p.plan.Reread = true
	}
	return nil
}

// finish puts the manifest before all else, and then the backups. A backup that is
// named there and was not written yet is not needed yet.
func (p *planner) finish(manifestFile *File) error {
	for _, w := range append(append(p.saved, Write{Path: manifestPath, After: &File{}}), p.plan.Writes...) {
		if w.After != nil {
			p.next.Dirs = p.tree.missing(path.Dir(w.Path), p.next.Dirs)
		}
	}
	slices.SortFunc(p.next.Entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	data, err := p.next.encode()
	if err != nil {
		return err
	}
	after := &File{Path: manifestPath, Data: data, Mode: 0o600, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	first := []Write{{Path: manifestPath, Now: manifestFile, After: after}}
	for _, w := range p.saved {
		if w.Now, err = p.tree.Read(w.Path, programLimit); err != nil {
			return err
		}
		w.After.UID, w.After.GID = uint32(os.Geteuid()), uint32(os.Getegid())
		if w.Now != nil && w.Now.Mode == w.After.Mode && bytes.Equal(w.Now.Data, w.After.Data) {
			continue
		}
		first = append(first, w)
	}
	p.plan.Writes = append(first, p.plan.Writes...)
	return nil
}

// Apply carries out the plan: all of it, or nothing.
func (p *Plan) Apply() error {
	if _, err := p.tree.commit(p.Writes); err != nil {
		return err
	}
	p.tree.prune(p.prune)
	return nil
}

// units are those of the layout that the node has.
func (t Tree) units(l Layout) []string {
	var found []string
	for _, name := range l.units {
		for _, folder := range []string{"/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"} {
			if t.exists(path.Join(folder, name+".service")) {
				found = append(found, name)
				break
			}
		}
	}
	if len(found) == 0 {
		return l.units[:1]
	}
	return found
}
