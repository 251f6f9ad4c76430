// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

const (
	stateDir     = "/var/lib/nodegate"
	manifestPath = stateDir + "/install.json"
	backupDir    = stateDir + "/backup"
)

// Manifest says what was changed on the node. It is written before anything else, so
// that whatever happens then can be undone.
type Manifest struct {
	Version int      `json:"version"` // 1
	Prefix  string   `json:"prefix"`  // of the programs
	Binary  string   `json:"binary"`  // the handler's BinaryName
	State   string   `json:"state"`   // containerd's
	Socket  string   `json:"socket,omitempty"`
	Units   []string `json:"units"` // that run it
	Dirs    []string `json:"dirs,omitempty"`
	Entries []Entry  `json:"files"`
	// DefaultRuntime says that the wrapper is the runtime of all pods.
	DefaultRuntime bool `json:"default_runtime,omitempty"`
	// Wrapped are the handlers that got one beside them.
	Wrapped []string `json:"wrapped,omitempty"`
	// The directories of an agent whose policy is not on the node.
	Agent *AgentDirs `json:"agent,omitempty"`
	// Owed is when containerd's configuration was changed, until containerd was restarted
	// for it.
	Owed *time.Time `json:"restart_owed,omitempty"`
}

// AgentDirs are where an agent keeps its records and its shadow nodes.
type AgentDirs struct {
	State   string `json:"state_dir"`
	Shadows string `json:"shadow_dir"`
}

// Entry is a file that was written.
type Entry struct {
	Path   string `json:"path"`
	Kind   Kind   `json:"kind"`
	SHA256 string `json:"sha256"` // of what was written
	// Former is that of what an earlier run wrote: it may still be there.
	Former string `json:"former,omitempty"`
	// Before is the file that was there; nil if there was none.
	Before *Original `json:"before,omitempty"`
	// Of a file that was edited: what was written, and where.
	Edits []tomledit.Edit `json:"edits,omitempty"`
	Keys  [][]string      `json:"keys,omitempty"`
}

// Original is a file that was replaced. Its bytes are in the backup directory.
type Original struct {
	SHA256 string `json:"sha256"`
	Backup string `json:"backup"`
	Mode   uint32 `json:"mode"`
	UID    uint32 `json:"uid"`
	GID    uint32 `json:"gid"`
}

// Kind says what is to be done about a file that somebody else has changed.
type Kind string

// The kinds of files.
const (
	Runtime Kind = "runtime" // containerd's
	Program Kind = "program"
	Unit    Kind = "unit"
	// AppArmor is a profile, which containers may run under.
	AppArmor Kind = "apparmor"
	Policy   Kind = "policy" // the administrator's, once written: also runc.toml
)

// errEdited is about a file that is not what was written.
var errEdited = errors.New("was changed since nodegate install wrote it")

// readManifest returns nil where nothing is installed.
func (t Tree) readManifest() (*Manifest, *File, error) {
	f, err := t.Read(manifestPath, programLimit)
	if err != nil || f == nil {
		return nil, nil, err
	}
	m := &Manifest{}
	if err := json.Unmarshal(f.Data, m); err != nil {
		return nil, nil, fmt.Errorf("%s cannot be read, so what was installed is not known: restore it, or remove what it lists by hand, and then the file: %w", manifestPath, err)
	}
	if m.Version != 1 {
		return nil, nil, fmt.Errorf("%s has version %d: use the nodegate that wrote it, or a later one", manifestPath, m.Version)
	}
	return m, f, nil
}

// Forgets reports whether a policy forgets what was installed: the wrapper runs all pods
// of this node, and the policy, which lists these runtime handlers, does not know it. Of
// another file than the node's policy it is never told.
func (t Tree) Forgets(policy string, handlers []string) bool {
	m, _, err := t.readManifest() // only root can read it
	return err == nil && m != nil && m.DefaultRuntime && m.Agent == nil && policy == policyPath && !slices.Contains(handlers, "")
}

func (m *Manifest) entry(name string) *Entry {
	if m == nil {
		return nil
	}
	for i := range m.Entries {
		if m.Entries[i].Path == name {
			return &m.Entries[i]
		}
	}
	return nil
}

// original returns what a file would be without what was installed; nil for none.
func (t Tree) original(e *Entry, now *File) (*File, error) {
	switch {
	case e == nil || now == nil:
		return now, nil
	case sum(now.Data) == e.SHA256, sum(now.Data) == e.Former:
		return t.before(e)
	case e.Before != nil && sum(now.Data) == e.Before.SHA256:
		return now, nil
	case len(e.Edits) == 0:
		return nil, fmt.Errorf("%s %w: move the change into a file of its own (%s.d/*.conf for a unit), remove this one, and try again", e.Path, errEdited, e.Path)
	}
	// Others have changed the rest of it.
	var data []byte
	var err error
	if len(e.Keys) > 0 {
		wants := make([]tomledit.Want, len(e.Keys))
		for i, k := range e.Keys {
			wants[i].Key = k
		}
		data, err = tomledit.Undo(now.Data, e.Edits, wants)
	} else {
		data, err = tomledit.TakeBack(now.Data, e.Edits)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %w, and %w: take what says \"%s\" out of it, or put back %s, and try again", e.Path, errEdited, err, tomledit.Mark, e.backup())
	}
	f := *now
	f.Data = data
	return &f, nil
}

func (e *Entry) backup() string {
	if e.Before == nil {
		return "what was there before"
	}
	return e.Before.Backup
}

// before returns the file that was replaced.
func (t Tree) before(e *Entry) (*File, error) {
	if e.Before == nil {
		return nil, nil
	}
	b, err := t.Read(e.Before.Backup, programLimit)
	if err != nil {
		return nil, err
	}
	if b == nil || sum(b.Data) != e.Before.SHA256 {
		return nil, fmt.Errorf("the backup %s of %s is not what was saved: restore it, or put %s right by hand", e.Before.Backup, e.Path, e.Path)
	}
	return &File{Path: e.Path, Data: b.Data, Mode: e.Before.Mode, UID: e.Before.UID, GID: e.Before.GID}, nil
}

// save notes a file that is to be replaced, and returns the backup to write.
func save(f *File) (*Original, File) {
	hash := sum(f.Data)
	o := &Original{SHA256: hash, Backup: path.Join(backupDir, hash[:12]+"-"+path.Base(f.Path)), Mode: f.Mode, UID: f.UID, GID: f.GID}
	return o, File{Path: o.Backup, Data: f.Data, Mode: 0o600}
}

func (m *Manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	return append(data, '\n'), err
}
