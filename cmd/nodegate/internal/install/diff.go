// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"fmt"
	"io"
	"path"

	"github.com/rogpeppe/go-internal/diff"
)

// Diff prints what a plan changes, file by file, as diff -u does. Its own records are
// left out.
func (p *Plan) Diff(w io.Writer) {
	for i := range p.Writes {
		c := &p.Writes[i]
		if c.Path == manifestPath || path.Dir(c.Path) == backupDir || !c.changes() {
			continue
		}
		from, before := "/dev/null", []byte(nil)
		if c.Now != nil {
			from, before = c.Path, c.Now.Data
		}
		to, after := "/dev/null", []byte(nil)
		if c.After != nil {
			to, after = c.Path, c.After.Data
		}
		switch {
		case bytes.HasPrefix(before, []byte("\x7fELF")), bytes.HasPrefix(after, []byte("\x7fELF")):
			fmt.Fprintf(w, "%s: %s\n", c.Path, c.Summary())
		case bytes.Equal(before, after):
			fmt.Fprintf(w, "%s: mode %04o becomes %04o\n", c.Path, c.Now.Mode, c.After.Mode)
		default:
			_, _ = w.Write(diff.Diff(from, before, to, after))
		}
	}
}

// Summary says in a few words what becomes of a file; "" if nothing does.
func (w *Write) Summary() string {
	switch {
	case !w.changes():
		return ""
	case w.After == nil:
		return "removed"
	case w.Now == nil:
		return fmt.Sprintf("written, %d bytes", len(w.After.Data))
	}
	return "changed"
}

// Changed lists the files that a plan changes, but for its own records.
func (p *Plan) Changed() []*Write {
	var all []*Write
	for i := range p.Writes {
		if w := &p.Writes[i]; w.changes() && w.Path != manifestPath && path.Dir(w.Path) != backupDir {
			all = append(all, w)
		}
	}
	return all
}
