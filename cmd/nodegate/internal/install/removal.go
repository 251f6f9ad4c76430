// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// Removal is what takes an installation off a node.
type Removal struct {
	Plan
	// Containers were created by the wrapper and still exist. It stays for them: without
	// it they could not be stopped. Another removal takes it away later.
	Containers []string
	Installed  bool // false: there is nothing to remove
	Unit       bool // the unit is among what is removed

	state string // the agent's directory to clear; "" for none
}

// NewRemoval works out how to undo all that was installed. It changes nothing. purge
// takes the policy, whoever wrote it, and the agent's state away too.
func NewRemoval(root string, purge bool) (*Removal, error) {
	t := Tree{root}
	r := &Removal{Plan: Plan{tree: t}}
	m, file, err := t.readManifest()
	if err != nil {
		return nil, err
	}
	if m == nil {
		m = &Manifest{Version: 1}
	} else {
		r.Installed = true
		r.Containers = t.containersOf(m.Binary, m.State)
		r.Units = m.Units
		// Where containers still have records, the folders are not empty and stay; an
		// agent that runs makes them again.
		state := t.policy().state
		r.prune = []string{state, state + "/decisions"}
	}
	rest := *m
	rest.Entries = nil
	var problems []error
	for i := range m.Entries {
		e := &m.Entries[i]
		if len(r.Containers) > 0 && (e.Path == m.Binary || e.Path == wrapperPath) {
			rest.Entries = append(rest.Entries, *e)
			continue
		}
		problems = append(problems, r.undo(e, purge))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if purge {
		if err := r.policy(); err != nil {
			return nil, err
		}
	}
	if err := r.records(&rest, file); err != nil {
		return nil, err
	}
	r.prune = append(r.prune, m.Dirs...)
	if purge {
		r.prune = append([]string{configDir, configDir + "/conf.d"}, r.prune...)
	}
	return r, nil
}

// undo plans for one file to be what it was.
func (r *Removal) undo(e *Entry, purge bool) error {
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
		if !purge {
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
	after := (*File)(nil)
	if len(rest.Entries) > 0 {
		data, err := rest.encode()
		if err != nil {
			return err
		}
		copied := *file
		copied.Data, after = data, &copied
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

// policy plans the removal of the policy, and of the agent's records.
func (r *Removal) policy() error {
	policy := r.tree.policy()
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
	if len(r.Containers) == 0 {
		r.state = policy.state
	}
	return nil
}

// Apply carries out the removal: all of it, or nothing.
func (r *Removal) Apply() error {
	if err := r.Plan.Apply(); err != nil {
		return err
	}
	if r.state == "" {
		return nil
	}
	root, err := os.OpenRoot(r.tree.root)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // read only
	state := filepath.Clean(r.state)[1:]
	// What the agent made there; the directory may be for others too.
	for _, name := range []string{"decisions", "nodegate.sock"} {
		if err := root.RemoveAll(filepath.Join(state, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the agent's state: %w", err)
		}
	}
	_ = root.Remove(state) // fails where something else is in it
	return nil
}
