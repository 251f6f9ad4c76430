// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

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
