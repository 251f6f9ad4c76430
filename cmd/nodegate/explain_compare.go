// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
)

// liveReport is what a container of this node has, beside what it should have.
type liveReport struct {
	State    string   `json:"state"`              // in a phrase
	Profiles []string `json:"profiles,omitempty"` // that it was given when it was created
	Older    []string `json:"older,omitempty"`    // that it has, and today's policy would not give
}

// compare says of each change whether the container was given it, and what it
// was given that today's policy would not give, with the numbers of today.
func (h *running) compare(e *explainer, got *explanation) {
	live := &liveReport{State: h.state}
	got.explained.Live = live
	given, today := map[string]bool{}, map[string]bool{}
	var had []change.Change
	if h.record != nil {
		live.Profiles, had = h.record.Profiles, h.record.Given.Changes()
	}
	for _, c := range had {
		given[c.Field+" "+c.Text] = e.stillThere(&c)
	}
	for i := range got.explained.Changes {
		ch := &got.explained.Changes[i]
		text := ch.Field + " " + ch.Change
		today[text] = true
		ch.Has = map[bool]string{true: "given", false: "missing"}[given[text]]
	}
	if got.explained.Result == refused {
		got.before, got.after = nil, nil
	}
	for _, name := range live.Profiles {
		if !slices.Contains(got.explained.Profiles, name) {
			live.Older = append(live.Older, fmt.Sprintf("profile %q", name))
		}
	}
	for _, c := range had {
		if text := c.Field + " " + c.Text; !today[text] {
			live.Older = append(live.Older, text)
		}
	}
}

// stillThere reports whether what was made on the node for a change exists.
func (e *explainer) stillThere(c *change.Change) bool {
	made := ""
	switch {
	case c.Field != change.NodeField:
	case len(c.Only.ShadowNodes) > 0:
		made = c.Only.ShadowNodes[0].Path
	case len(c.Only.LiveDirectories) > 0:
		made = c.Only.LiveDirectories[0].Path
	}
	if made == "" {
		return true
	}
	_, err := os.Lstat(path.Join(e.config.State.HostRoot, made))
	return err == nil
}

func (l *liveReport) table(w *bytes.Buffer) {
	fmt.Fprintf(w, "\n  %s\n", l.State)
	if len(l.Profiles) > 0 {
		fmt.Fprintf(w, "  it was given then: %s\n", strings.Join(l.Profiles, ", "))
	}
	for _, text := range l.Older {
		fmt.Fprintf(w, "  by an older policy, and not by today's: %s\n", text)
	}
}
