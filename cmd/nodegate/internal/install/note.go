// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"time"
)

// NoteName is a file in an agent's state.dir: what NoteHandlers has left there.
const NoteName = "handlers.json"

// Note says which runtime handlers run the wrapper, "" is the default one.
type Note struct {
	Wrapped map[string]bool `json:"wrapped"`
	// Owed is when the runtime's configuration was changed, if it had not been restarted for
	// it yet: before it is, the note does not hold.
	Owed *time.Time `json:"restart_owed,omitempty"`
}

// NoteHandlers leaves a note for an agent that runs as a pod, and so does not see the
// runtime's files. It takes a former one away where a file is yet to be generated.
func (p *Plan) NoteHandlers() error {
	m, _, err := p.tree.readManifest()
	if err != nil || m == nil || m.Agent == nil {
		return err
	}
	var after *File
	name := path.Join(m.Agent.State, NoteName)
	if !p.tree.exists(m.Agent.State) { // it is made for the agent's pod
		return nil
	}
	owed := p.tree.owed(m)
	if !owed || !p.generated {
		p.runs.Root, p.runs.Read = p.tree.root, func(name string) ([]byte, error) { return dataOf(p.tree.follow(name)) }
		programs, err := programsOf(p.runs)
		if err != nil {
			return err
		}
		note := Note{Wrapped: map[string]bool{}}
		for handler, program := range programs {
			note.Wrapped[handler] = program == m.Binary
		}
		if owed {
			note.Owed = m.Owed
		}
		text, err := json.Marshal(note)
		if err != nil {
			return err
		}
		after = &File{Path: name, Data: append(text, '\n'), Mode: 0o600}
	}
	now, err := p.tree.Read(name, textLimit)
	if err != nil {
		return err
	}
	_, err = p.tree.commit([]Write{{Path: name, Now: now, After: after}})
	return err
}

// Noted reads the note in an agent's state directory, for a runtime that listens since then.
func Noted(state string, listening time.Time) (n Note, err error) {
	text, err := os.ReadFile(path.Join(state, NoteName))
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(text, &n); err != nil {
		return n, fmt.Errorf("%s: %w", path.Join(state, NoteName), err)
	}
	if n.Owed != nil && !since(listening, *n.Owed) {
		return n, errOwed
	}
	return n, nil
}
