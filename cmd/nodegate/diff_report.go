// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/plugin/policy"
)

// diffReport is what diff found, and what -o json prints.
type diffReport struct {
	Version    int              `json:"version"`
	Old        policyReport     `json:"old"`
	New        policyReport     `json:"new"`
	Runtime    string           `json:"runtime"`
	Counts     diffCounts       `json:"counts"`
	Containers []containerDelta `json:"containers"` // that change, by namespace
	Problems   []string         `json:"problems,omitempty"`
}

type policyReport struct {
	Path  string `json:"path"`
	Hash  string `json:"hash"`
	Audit bool   `json:"audit"`
}

type diffCounts struct {
	Pods         int `json:"pods"`
	NewlyRefused int `json:"newlyRefused"`
	NoMore       int `json:"noLongerRefused"`
	Changed      int `json:"changed"`
	Unchanged    int `json:"unchanged"`
	BothRefuse   int `json:"refusedByBoth"` // of the unchanged ones
	NoDevice     int `json:"withoutDevice"` // of those, for want of a device
}

// delta is what comes of a container.
type delta string

const (
	isRefused delta = "newly_refused"
	isAllowed delta = "no_longer_refused"
	isChanged delta = "changed"
)

// containerDelta is a container that changes.
type containerDelta struct {
	Source    manifest.Place  `json:"source"`
	Kind      string          `json:"kind"`
	Path      string          `json:"path,omitempty"` // of the pod's template in the object
	Namespace string          `json:"namespace"`
	Pod       string          `json:"pod"`
	Container string          `json:"container"`
	Type      string          `json:"type"`
	Result    delta           `json:"result"`
	Refusal   *policy.Refusal `json:"refusal,omitempty"` // the new one, or that which is no more
	Gains     []changeLine    `json:"gains,omitempty"`
	Loses     []changeLine    `json:"loses,omitempty"`
}

func (d *differ) newReport(paths []string) *diffReport {
	of := func(i int) policyReport {
		c := d.sides[i].config
		return policyReport{paths[i], c.Hash, c.Policy.Audit()}
	}
	return &diffReport{Version: 1, Old: of(0), New: of(1), Runtime: d.sides[0].runtime.String(), Containers: []containerDelta{}}
}

func (r *diffReport) add(p *manifest.Pod, c *manifest.Container, before, after *judgement) {
	out := containerDelta{Source: p.Place, Kind: p.Kind, Path: p.Path, Namespace: p.Namespace, Pod: p.Name, Container: c.Name, Type: c.Type}
	switch {
	case before.refusal != nil && after.refusal != nil:
		r.Counts.Unchanged++
		r.Counts.BothRefuse++
		if after.refusal.Code == policy.NoDevice {
			r.Counts.NoDevice++
		}
		return
	case after.refusal != nil:
		r.Counts.NewlyRefused++
		out.Result, out.Refusal = isRefused, after.refusal
	default:
		out.Gains, out.Loses = without(after.changes, before.changes), without(before.changes, after.changes)
		switch {
		case before.refusal != nil:
			r.Counts.NoMore++
			out.Result, out.Refusal = isAllowed, before.refusal
		case len(out.Gains)+len(out.Loses) > 0:
			r.Counts.Changed++
			out.Result = isChanged
		default:
			r.Counts.Unchanged++
			return
		}
	}
	r.Containers = append(r.Containers, out)
}

// ending is the error that tells by its exit code what changes, or nil.
func (r *diffReport) ending() error {
	switch n := &r.Counts; {
	case n.NewlyRefused > 0:
		return &differenceError{exitRefuses, several(n.NewlyRefused, "container") + " newly refused"}
	case n.NoMore+n.Changed > 0:
		return &differenceError{exitChanges, several(n.NoMore+n.Changed, "container") + " changed"}
	}
	return nil
}

func (r *diffReport) write(w io.Writer, format string) error {
	slices.SortStableFunc(r.Containers, func(a, b containerDelta) int { return cmp.Compare(a.Namespace, b.Namespace) })
	if format == "json" {
		return writeJSON(w, r)
	}
	var out bytes.Buffer
	namespace := ""
	for _, same := range r.alike() {
		if ns := same[0].Namespace; ns != namespace {
			namespace = ns
			fmt.Fprintf(&out, "namespace %s\n", ns)
		}
		same[0].table(&out, same[1:])
	}
	if out.Len() > 0 {
		fmt.Fprintln(&out)
	}
	r.summary(&out)
	_, err := w.Write(out.Bytes())
	return err
}

// alike puts together the containers of a namespace to which the same happens: replicas.
func (r *diffReport) alike() [][]*containerDelta {
	var out [][]*containerDelta
	at := map[string]int{}
	for i := range r.Containers {
		c := &r.Containers[i]
		key := strings.Join([]string{c.Namespace, c.Kind, c.Path, c.Type, c.Container, c.effect()}, "\x00")
		key = strings.ReplaceAll(key, c.Namespace+"/"+c.Pod, "") // a sentence names the pod
		if n, known := at[key]; known {
			out[n] = append(out[n], c)
			continue
		}
		at[key] = len(out)
		out = append(out, []*containerDelta{c})
	}
	return out
}

// table writes one container for itself and for others to which the same happens.
func (c *containerDelta) table(w *bytes.Buffer, others []*containerDelta) {
	fmt.Fprintf(w, "  %s %s", c.Kind, c.Pod)
	if len(others) > 0 {
		fmt.Fprintf(w, " and %d more", len(others))
	}
	if !slices.Contains(usualPaths, c.Path) {
		fmt.Fprintf(w, ", %s", c.Path)
	}
	kind := "container"
	if c.Type != kind {
		kind = c.Type + " container"
	}
	fmt.Fprintf(w, ", %s %q\n%s", kind, c.Container, c.effect())
}

// effect is what happens to a container, in lines.
func (c *containerDelta) effect() string {
	var out strings.Builder
	title := map[delta]string{isRefused: "newly refused", isAllowed: "no longer refused, as it was"}[c.Result]
	if c.Refusal != nil {
		for i, line := range c.Refusal.Lines() {
			if i == 0 {
				line = title + ": " + line
			}
			fmt.Fprintf(&out, "    %s\n", line)
		}
	}
	for _, ch := range c.Gains {
		fmt.Fprintf(&out, "    gains  %s  %s\n", ch.Field, ch.Change)
	}
	for _, ch := range c.Loses {
		fmt.Fprintf(&out, "    loses  %s  %s\n", ch.Field, ch.Change)
	}
	return out.String()
}

func (r *diffReport) summary(w *bytes.Buffer) {
	switch {
	case r.Old.Audit && r.New.Audit:
		fmt.Fprintln(w, "both policies are in audit mode: compared as if they were enforced")
	case r.Old.Audit:
		fmt.Fprintf(w, "%s is in audit mode: it changes and refuses nothing\n", r.Old.Path)
	case r.New.Audit:
		fmt.Fprintf(w, "%s is in audit mode: it changes and refuses nothing\n", r.New.Path)
	}
	n := &r.Counts
	if n.NoDevice > 0 {
		fmt.Fprintf(w, "%s refused by both for want of a device: name those of the nodes with --assume-device\n", several(n.NoDevice, "container"))
	}
	all := n.NewlyRefused + n.NoMore + n.Changed + n.Unchanged
	fmt.Fprintf(w, "%s in %s on %s: %d newly refused, %d no longer refused, %d changed, %d unchanged",
		several(all, "container"), several(n.Pods, "pod"), r.Runtime, n.NewlyRefused, n.NoMore, n.Changed, n.Unchanged)
	if n.BothRefuse > 0 {
		fmt.Fprintf(w, " (%d refused by both)", n.BothRefuse)
	}
	fmt.Fprintln(w)
}
