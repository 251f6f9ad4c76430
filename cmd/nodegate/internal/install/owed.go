// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"io/fs"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// owed reports whether containerd has still to read what an earlier run wrote: its
// socket is made anew at each start. Where that cannot be seen it counts as owed.
func (t Tree) owed(m *Manifest) bool {
	return m != nil && m.Owed != nil && !since(t.Listening(m.Socket), *m.Owed)
}

// since reports whether what started then has read what was written at another time. One
// that is yet to come says nothing: the clock was set back meanwhile.
func since(started, written time.Time) bool {
	return started.After(written) && !started.After(time.Now())
}

// Listening tells since when there is a socket; the zero time if there is none.
func (t Tree) Listening(socket string) time.Time {
	if socket == "" {
		return time.Time{}
	}
	d, err := t.open(path.Dir(socket), nil)
	if err != nil {
		return time.Time{}
	}
	defer d.close()
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, path.Base(socket), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return time.Time{}
	}
	return time.Unix(st.Mtim.Unix())
}

// Listening tells since when containerd listens, by the socket's time; the zero time
// where it does not, or elsewhere.
func (p *Plan) Listening() time.Time { return p.tree.Listening(p.socket) }

// AgentRead reports whether an agent that started then has read all files that it reads
// only as it starts: its program, its unit, and what a unit's drop-ins add. Where that
// cannot be seen it has not.
func (p *Plan) AgentRead(started time.Time) bool {
	names := []string{p.agent, unitPath}
	if p.tree.packaged(path.Dir(p.agent)) {
		names[1] = packageUnit
	}
	dropIns, err := p.tree.list(unitPath + ".d")
	for _, name := range dropIns {
		names = append(names, path.Join(unitPath+".d", name))
	}
	var newest time.Time
	for _, name := range names {
		written, e := p.tree.changed(name)
		err = errors.Join(err, e)
		if written.After(newest) {
			newest = written
		}
	}
	return err == nil && since(started, newest)
}

// changed tells when a file was put where it is.
func (t Tree) changed(name string) (time.Time, error) {
	d, err := t.open(path.Dir(name), nil)
	if err != nil {
		return time.Time{}, err
	}
	defer d.close()
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, path.Base(name), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return time.Time{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return time.Unix(st.Ctim.Unix()), nil
}

// Restarted notes that containerd has read what was written, and removes the records
// of an installation of which nothing else is left.
func (p *Plan) Restarted() error {
	m, file, err := p.tree.readManifest()
	if err != nil || m == nil || m.Owed == nil {
		return err
	}
	m.Owed = nil
	var after *File
	if len(m.Entries) > 0 {
		copied := *file
		if copied.Data, err = m.encode(); err != nil {
			return err
		}
		after = &copied
	}
	if _, err := p.tree.commit([]Write{{Path: manifestPath, Now: file, After: after}}); err != nil {
		return err
	}
	p.tree.prune(p.prune)
	return nil
}

// Undo puts back what Apply replaced, for a containerd that does not start with it.
func (p *Plan) Undo() error {
	var back []Write
	for i := len(p.Writes) - 1; i >= 0; i-- {
		w := &p.Writes[i]
		if !w.changes() {
			continue
		}
		now, err := p.tree.Read(w.Path, programLimit)
		if err != nil {
			return err
		}
		back = append(back, Write{Path: w.Path, Now: now, After: w.Now})
	}
	if _, err := p.tree.commit(back); err != nil {
		return err
	}
	p.tree.prune(p.made)
	return nil
}
