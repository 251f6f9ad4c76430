// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Removal is what takes an installation off a node.
type Removal struct {
	Plan
	// Containers were created by the wrapper and still exist. It stays for them: without
	// it they could not be stopped. Another removal takes it away later, by the program
	// that stays for that.
	Containers []string
	Pods       []string // theirs, as namespace/name
	Ending     []string // those of them that need only be waited for, by pod or id
	Installed  bool     // false: there is nothing to remove
	Unit       bool     // the unit is among what is removed

	o     RemovalOptions
	dirs  []AgentDirs // of the agents that were here
	lives func(id string) bool
}

// RemovalOptions say what to remove.
type RemovalOptions struct {
	Root    string
	Purge   bool      // the policy, whoever wrote it, and the agent's state too
	NoAgent bool      // the agent ran as a pod: a policy or an agent of the node's is not its own, and stays
	Restart bool      // the caller restarts containerd, and then calls Restarted
	Agent   AgentDirs // of an agent in a pod; "" for what was said at the installation
}

// NewRemoval works out how to undo all that was installed. It changes nothing.
func NewRemoval(o RemovalOptions) (*Removal, error) {
	t := Tree{o.Root}
	r := &Removal{Plan: Plan{tree: t}, o: o}
	m, file, err := t.readManifest()
	if err != nil {
		return nil, err
	}
	if m == nil {
		m = &Manifest{Version: 1, State: layouts[0].state}
	} else {
		r.Installed = true
		r.Units, r.socket, r.Owed = m.Units, m.Socket, t.owed(m)
	}
	if o.NoAgent && (m.ownAgent() || m.packagedAgent(t)) {
		r.o.Purge = false
		r.Notes = append(r.Notes, "this node has an agent of its own, installed on it: all stays, and nodegate uninstall on the node takes it away")
		return r, nil
	}
	r.Unit = r.Installed && m.packagedAgent(t)
	r.containers(m)
	r.agents(m)
	rest := *m
	rest.Entries = nil
	var problems []error
	for i := range m.Entries {
		e := &m.Entries[i]
		if len(r.Containers) > 0 && (e.Kind == Program || e.Kind == AppArmor || e.Path == wrapperPath) {
			rest.Entries = append(rest.Entries, *e)
			continue
		}
		problems = append(problems, r.undo(e))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if r.purgesPolicy() {
		if err := r.policy(); err != nil {
			return nil, err
		}
	}
	if err := r.records(&rest, file); err != nil {
		return nil, err
	}
	r.prune = append(r.prune, m.Dirs...)
	if r.purgesPolicy() {
		r.prune = append([]string{configDir, configDir + "/conf.d"}, r.prune...)
	}
	return r, nil
}

// containers finds those that the wrapper has to stay for, and those that live at all.
func (r *Removal) containers(m *Manifest) {
	all := r.tree.containers(m.State, m.Binary)
	r.lives = func(id string) bool {
		return slices.ContainsFunc(all, func(c container) bool { return c.id == id })
	}
	for _, c := range all {
		// Also by a link of a name of its own; see [runtimes] of runc.toml.
		if m.Binary == "" || c.program != m.Binary && !strings.HasPrefix(c.program, m.Binary+"-") {
			continue
		}
		r.Containers = append(r.Containers, c.id)
		if name := cmp.Or(c.pod, c.id); c.ending && !slices.Contains(r.Ending, name) {
			r.Ending = append(r.Ending, name)
		}
		if c.pod != "" && !slices.Contains(r.Pods, c.pod) {
			r.Pods = append(r.Pods, c.pod)
		}
	}
}

// agents notes the directories of the agents: that of the node's policy, and that in a
// pod.
func (r *Removal) agents(m *Manifest) {
	r.dirs = []AgentDirs{r.tree.policy().AgentDirs}
	if m.Agent != nil || r.o.Agent != (AgentDirs{}) {
		theirs := r.o.Agent
		if m.Agent != nil {
			theirs = theirs.or(*m.Agent)
		}
		r.dirs = append(r.dirs, theirs.or(defaultDirs))
	}
	if !r.Installed {
		return
	}
	// Where containers still have records or nodes, the folders are not empty and stay; an
	// agent that runs makes them again.
	for _, d := range r.dirs {
		r.prune = append(r.prune, d.State, d.State+"/decisions", d.State+"/allotted")
	}
}

// undo plans for one file to be what it was.
func (r *Removal) undo(e *Entry) error {
	f, err := r.tree.Read(e.Path, programLimit)
	if err != nil {
		return err
	}
	if f == nil {
		r.Notes = append(r.Notes, fmt.Sprintf("%s was removed since it was written", e.Path))
		return nil
	}
	base, err := r.tree.original(e, f)
	switch {
	case errors.Is(err, errEdited) && e.Kind == Policy:
		if !r.purgesPolicy() {
			r.Notes = append(r.Notes, fmt.Sprintf("%s is yours and stays (--purge removes it)", e.Path))
		}
		return nil
	case errors.Is(err, errEdited) && e.Kind == Program:
		r.Notes = append(r.Notes, fmt.Sprintf("%s was replaced by somebody else since, and stays", e.Path))
		return nil
	case err != nil:
		return err
	}
	r.Writes = append(r.Writes, Write{Path: e.Path, Now: f, After: base})
	r.Reread = r.Reread || e.Kind == Runtime && e.Path != handlersPath
	r.Unit = r.Unit || e.Kind == Unit
	return nil
}

// records removes the manifest and the backups, or what of them is needed no more.
func (r *Removal) records(rest *Manifest, file *File) error {
	if file == nil {
		return nil
	}
	if r.Reread {
		now := time.Now()
		rest.Owed = &now
	}
	after := (*File)(nil)
	if len(rest.Entries) > 0 || len(r.Containers) > 0 || r.o.Restart && rest.Owed != nil { // else nobody would know what is owed
		data, err := rest.encode()
		if err != nil {
			return err
		}
		copied := *file
		copied.Data, after = data, &copied
	}
	if rest.Agent != nil {
		note, err := r.tree.Read(path.Join(rest.Agent.State, NoteName), textLimit)
		if err != nil {
			return err
		}
		if note != nil {
			r.Writes = append(r.Writes, Write{Path: note.Path, Now: note})
		}
	}
	needed := func(backup string) bool {
		return slices.ContainsFunc(rest.Entries, func(e Entry) bool { return e.Before != nil && e.Before.Backup == backup })
	}
	r.Writes = append(r.Writes, Write{Path: manifestPath, Now: file, After: after})
	backups, err := r.tree.list(backupDir) // also those of earlier installations
	if err != nil {
		return err
	}
	for _, name := range backups {
		name = path.Join(backupDir, name)
		if needed(name) {
			continue
		}
		f, err := r.tree.Read(name, programLimit)
		if err != nil {
			return err
		}
		r.Writes = append(r.Writes, Write{Path: name, Now: f})
	}
	return nil
}

// ownAgent reports whether an agent that is not a pod was installed.
func (m *Manifest) ownAgent() bool { return m.entry(unitPath) != nil || m.entry(policyPath) != nil }

// packagedAgent reports whether the agent that was installed is that of the node's package.
func (m *Manifest) packagedAgent(t Tree) bool { return m.Agent == nil && t.packaged(m.Prefix) }

func (r *Removal) purgesPolicy() bool { return r.o.Purge && !r.o.NoAgent }

// policy plans the removal of the policy.
func (r *Removal) policy() error {
	for _, folder := range []string{configDir, configDir + "/conf.d"} {
		names, err := r.tree.list(folder)
		if err != nil {
			return err
		}
		for _, name := range names {
			name = path.Join(folder, name)
			if name == configDir+"/conf.d" || name == wrapperPath && len(r.Containers) > 0 ||
				slices.ContainsFunc(r.Writes, func(w Write) bool { return w.Path == name }) {
				continue
			}
			f, err := r.tree.Read(name, programLimit)
			if err != nil {
				return err
			}
			r.Writes = append(r.Writes, Write{Path: name, Now: f})
		}
	}
	return nil
}

// Apply carries out the removal: all of it, or nothing.
func (r *Removal) Apply() error {
	if err := r.Plan.Apply(); err != nil || !r.o.Purge {
		return err
	}
	var problems []error
	for _, d := range r.dirs {
		problems = append(problems, r.purge(d))
	}
	return errors.Join(problems...)
}
