// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/oci"
)

// liveReport is what a container of this node has, beside what it should have.
type liveReport struct {
	State    string   `json:"state"`              // in a phrase
	Profiles []string `json:"profiles,omitempty"` // that it was given when it was created
	Older    []string `json:"older,omitempty"`    // that it has, and today's policy would not give
}

// compare says of each change whether the container has it, and what it has
// that today's policy would not give.
func (h *has) compare(e *explainer, got *outcome) error {
	live := &liveReport{State: h.state}
	got.explained.Live = live
	all := got.before != nil && bytes.Equal(got.before, got.after)
	for i := range got.explained.Changes {
		ch := &got.explained.Changes[i]
		has := all && ch.inSpec()
		if !has {
			var err error
			if has, err = h.hasPart(e, ch); err != nil {
				return err
			}
		}
		ch.Has = map[bool]string{true: "given", false: "lacking"}[has]
	}
	if got.explained.Result == refused {
		got.before, got.after = nil, nil
	}
	if h.record == nil {
		return nil
	}
	live.Profiles = h.record.Profiles
	for _, name := range h.record.Profiles {
		if !slices.Contains(got.explained.Profiles, name) {
			live.Older = append(live.Older, fmt.Sprintf("profile %q", name))
		}
	}
	today := map[string]bool{}
	for _, ch := range got.explained.Changes {
		today[ch.Field+" "+ch.Change] = true
	}
	given := h.record.Adjustment
	given.Sysctls = h.record.Sysctls
	for _, m := range h.parsed.Mounts {
		same := func(t specs.Mount) bool { return t.Destination == m.Destination && t.Source == m.Source }
		if e.ours(&m) && !slices.ContainsFunc(got.decision.Adjustment.Mounts, same) {
			given.Mounts = append(given.Mounts, m)
		}
	}
	for _, c := range given.Changes() {
		if text := c.Field + " " + c.Text; !today[text] && !slices.Contains(live.Older, text) {
			live.Older = append(live.Older, text)
		}
	}
	return nil
}

// hasPart reports whether a change would change nothing.
func (h *has) hasPart(e *explainer, ch *changeReport) (bool, error) {
	if nodes := ch.Only.ShadowNodes; len(nodes) > 0 && ch.Field == change.NodeField {
		_, err := os.Lstat(path.Join(e.config.State.HostRoot, nodes[0].Path))
		return err == nil, nil
	}
	if !ch.inSpec() {
		return h.record != nil, nil // no spec tells; the record stands for it
	}
	if len(ch.Only.ShadowNodes) > 0 { // the device in whose place it is
		linux := h.parsed.Linux
		return linux == nil || !slices.ContainsFunc(linux.Devices, func(d specs.LinuxDevice) bool { return d.Path == ch.Only.ShadowNodes[0].ContainerPath }), nil
	}
	after, err := oci.Apply(h.spec, ch.Only)
	if err != nil || bytes.Equal(after, h.spec) {
		return err == nil, err
	}
	return sameButRules(h.spec, after)
}

// sameButRules compares two specs, the device-cgroup rules as a set: a rule
// that is there already, among others, is added again at their end.
func sameButRules(before, after []byte) (bool, error) {
	var texts [2]string
	for i, spec := range [][]byte{before, after} {
		var s specs.Spec
		if err := json.Unmarshal(spec, &s); err != nil {
			return false, err
		}
		if s.Linux != nil && s.Linux.Resources != nil {
			var rules []string
			for _, r := range s.Linux.Resources.Devices {
				text, err := json.Marshal(r)
				if err != nil {
					return false, err
				}
				rules = append(rules, string(text))
			}
			slices.Sort(rules)
			texts[i] = strings.Join(slices.Compact(rules), "\n")
			s.Linux.Resources.Devices = nil
		}
		text, err := json.Marshal(&s)
		if err != nil {
			return false, err
		}
		texts[i] += string(text)
	}
	return texts[0] == texts[1], nil
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
