// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/containerd"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

// Options say what to install, and where.
type Options struct {
	Root       string // of the host's files; "/" or where they are mounted
	Layout     string // of Layouts; "" for auto
	Config     string // of containerd; "" for the layout's
	Containerd string // its version; "" to ask it
	Prefix     string // of the programs; "" for /usr/local/bin, or /opt/nodegate/bin on a read-only /usr, or where the host's package has them
	From       string // where the programs are; "" for beside this one

	DefaultRuntime bool     // the wrapper runs every pod
	Wrap           []string // handlers that get one beside them which runs the wrapper
	Unit           bool     // the systemd unit
	NoAgent        bool     // the agent runs as a pod: no policy and no unit
	AppArmor       bool     // the node's kernel has it on
	EditManaged    bool     // edit a file that says that a tool manages it

	Exempt []string  // namespaces that runc.toml exempts; nil for what it has, or the default
	Agent  AgentDirs // with NoAgent; "" for the defaults
}

// Plan is what is to be done on a node.
type Plan struct {
	Writes []Write
	Notes  []string // for the administrator
	Units  []string // that run containerd
	// Reread says that containerd has to be restarted, for a change of its
	// configuration.
	Reread bool
	// Owed says that an earlier run changed it, and containerd was not restarted since.
	Owed bool

	tree      Tree
	runs      Node     // the runtime, for Programs
	generated bool     // its configuration is, as it starts
	socket    string   // containerd's
	agent     string   // the agent's program
	prune     []string // directories, where they are empty afterwards
	made      []string // directories, by Apply
}

// Runtime names who reads what was changed.
func (p *Plan) Runtime() string {
	if slices.Contains(p.Units, crioName) {
		return "CRI-O"
	}
	return "containerd"
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
		p.next.Dirs, p.next.Owed, p.next.Agent = former.Dirs, former.Owed, former.Agent
	}
	p.plan.Owed = p.tree.owed(former)
	if err := p.from(); err != nil {
		return nil, err
	}
	prefix, err := p.prefix()
	if err != nil {
		return nil, err
	}
	p.next.DefaultRuntime, p.next.Wrapped = o.DefaultRuntime, o.Wrap
	p.next.Prefix, p.next.Binary = prefix, path.Join(prefix, "nodegate-runc")
	p.plan.agent = path.Join(prefix, "nodegate")
	if err := errors.Join(checkWrap(o.Wrap), p.notOver()); err != nil {
		return nil, err
	}
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
	if p.plan.Reread {
		now := time.Now()
		p.next.Owed = &now
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
	p.plan.runs = Node{Config: layout.config, CRIO: layout.Name == crioName}
	p.plan.generated = layout.generated
	if layout.Name == crioName {
		return p.crio(layout)
	}
	r, err := p.release(ctx, layout)
	if err != nil {
		return nil, err
	}
	p.plan.runs.Version = r.String()
	if !layout.generated { // a link in its place is no error elsewhere, as for imports
		if _, err := p.tree.Read(layout.config, textLimit); err != nil {
			return nil, err
		}
	}
	read := func(name string) ([]byte, error) {
		text, err := dataOf(p.base(name))
		if layout.generated && name == layout.config {
			text = tomledit.WithoutBlock(text)
		}
		return text, err
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
	if p.next.State, _ = tomledit.Get[string](l.doc, []string{"state"}); p.next.State == "" {
		p.next.State = layout.state
	}
	if p.next.Socket, _ = tomledit.Get[string](l.doc, []string{"grpc", "address"}); p.next.Socket == "" {
		p.next.Socket = cmp.Or(layout.socket, path.Join(p.next.State, "containerd.sock"))
	}
	p.plan.socket = p.next.Socket
	n, err := l.needs(r, p.next.Binary, p.o)
	if err != nil || len(n.wants) == 0 {
		return n, err
	}
	p.plan.Notes = append(p.plan.Notes, n.notes...)
	if place.edit && place.path != containerd.DefaultConfig && p.tree.readOnly(path.Dir(place.path)) {
		return n, fmt.Errorf("%s, which containerd reads, is on a read-only file system: copy it to a file that can be changed, have a drop-in of the unit %s name that (systemctl edit %s), and restart it", place.path, p.plan.Units[0], p.plan.Units[0])
	}
	if place.note != "" {
		p.note("%s", place.note)
	}
	data, err := p.change(place, n.wants)
	if err != nil || !place.toml || place.unseen {
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
	if missing := tomledit.Missing(l.doc, wants); len(missing) > 0 {
		return fmt.Errorf("%s would not take effect, since a file that %s imports says something else (%s): make the last of them that has such a table say all of this, and run nodegate install again:\n\n%s",
			name, layout.config, strings.Join(l.files[1:], ", "), tomledit.Tables(missing))
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
	for _, name := range p.o.Wrap { // copies: a link is no file that can be backed up
		if err := p.own(Program, wrapperFor(p.next.Binary, name), binaries["nodegate-runc"], 0o755); err != nil {
			return err
		}
	}
	if err := p.appArmor(); err != nil {
		return err
	}
	policy := p.tree.policy()
	if p.o.NoAgent {
		return p.elsewhere(policy, n)
	}
	if err := p.policies(policy, n); err != nil {
		return err
	}
	if err := p.wrapper(n, policy.State); err != nil {
		return err
	}
	if p.o.Unit && !p.tree.packaged(p.next.Prefix) {
		return p.own(Unit, unitPath, unit(p.next.Prefix), 0o644)
	}
	return nil
}

func (p *planner) policies(policy agentPolicy, n *needs) error {
	if !policy.exists || p.former.entry(policyPath) != nil {
		if err := p.own(Policy, policyPath, first(n, p.plan.Runtime()), 0o644); err != nil {
			return err
		}
	}
	switch {
	case policy.err != nil && p.o.DefaultRuntime:
		return fmt.Errorf("the policy has errors, and no pod starts under the wrapper without an agent: mend it first (nodegate check):\n%w", policy.err)
	case policy.err != nil:
		p.plan.Notes = append(p.plan.Notes, "the policy has errors, and the agent does not start with it: nodegate check says which")
	case policy.exists && n.socket != "" && n.socket != policy.socket:
		p.plan.Notes = append(p.plan.Notes, fmt.Sprintf("%s's NRI socket is %s: write socket = %q under [nri] in the policy", p.plan.Runtime(), n.socket, n.socket))
	}
	if !p.o.DefaultRuntime && len(p.o.Wrap) == 0 {
		return nil
	}
	// In a file of its own: the policy is the administrator's to replace.
	return p.own(Runtime, handlersPath, []byte(dropInHead+p.handlers(policy.handlers)), 0o644)
}

// Apply carries out the plan: all of it, or nothing.
func (p *Plan) Apply() error {
	made, err := p.tree.commit(p.Writes)
	if err != nil {
		return err
	}
	p.made = made
	p.tree.prune(p.prune)
	return nil
}

// units are those of the layout that the node has.
func (t Tree) units(l Layout) []string {
	var found []string
	for _, name := range l.units {
		for _, folder := range unitFolders {
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
