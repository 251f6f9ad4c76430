// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
)

// maxShown bounds the lines of one recording: a container may do something new forever.
const maxShown = 300

// learnView shows a recording while it goes on: a line for each thing that is found, and on
// a terminal a last line that counts.
type learnView struct {
	to       io.Writer
	terminal bool
	last     string // the line that counts
	shown    int
	counted  time.Time
	told     []string
}

func newLearnView(to io.Writer) *learnView { return &learnView{to: to, terminal: coloured(to)} }

const eraseLine = "\r\x1b[K"

// say writes a line above the one that counts.
func (v *learnView) say(format string, args ...any) {
	if v.last != "" {
		fmt.Fprint(v.to, eraseLine)
	}
	fmt.Fprintf(v.to, format+"\n", args...)
	fmt.Fprint(v.to, v.last)
}

// once says something once.
func (v *learnView) once(format string, args ...any) {
	if !slices.Contains(v.told, format) {
		v.told = append(v.told, format)
		v.say(format, args...)
	}
}

// found shows what is new, unless it is nothing that anybody would grant.
func (v *learnView) found(c *seenContainer, e *evidence.Event) {
	if e.Optional || e.Foreseen() || e.Type == evidence.Opened || e.Type == evidence.File && !v.telling(c, e) {
		return
	}
	v.shown++
	switch {
	case v.shown <= maxShown:
		v.say("%s: %s", cmp.Or(evidence.Printable(c.Name), c.ID[:min(len(c.ID), 12)]), e.Text())
	case v.shown == maxShown+1:
		v.say("more than %d different things were found: the rest is in the report", maxShown)
	}
}

// telling reports whether a file that was opened says something of what a container needs: of
// the cgroup's files the first does.
func (v *learnView) telling(c *seenContainer, e *evidence.Event) bool {
	if e.Filesystem != "cgroup" {
		return e.Error != "" || strings.Contains(e.Access, "w")
	}
	first := !c.cgroup
	c.cgroup = true
	return first
}

// count redraws the line that counts, where one can be drawn and has not just been. lost is
// asked then.
func (v *learnView) count(began time.Time, all map[uint64]*seenContainer, lost func() (uint64, error)) {
	if !v.terminal || time.Since(v.counted) < 500*time.Millisecond {
		return
	}
	v.counted = time.Now()
	kinds := map[string]int{}
	for _, c := range all {
		for i := range c.Events {
			kinds[c.Events[i].Type]++
		}
	}
	line := []string{time.Since(began).Round(time.Second).String(), several(len(all), "container")}
	for _, kind := range []string{evidence.Device, evidence.Capability, evidence.Mount, evidence.File} {
		line = append(line, fmt.Sprintf("%s %d", kind, kinds[kind]))
	}
	if n, err := lost(); err == nil && n > 0 {
		line = append(line, fmt.Sprintf("LOST %d", n))
	}
	v.last = strings.Join(line, "  ")
	fmt.Fprint(v.to, eraseLine, v.last)
}

// end leaves the line that counts as it is.
func (v *learnView) end() {
	if v.last != "" {
		fmt.Fprintln(v.to)
		v.last = ""
	}
}

// privileged reports whether a container was given every device, as only a privileged
// one is.
func privileged(text json.RawMessage) bool {
	var s specs.Spec
	if json.Unmarshal(text, &s) != nil || s.Linux == nil || s.Linux.Resources == nil {
		return false
	}
	return slices.ContainsFunc(s.Linux.Resources.Devices, func(d specs.LinuxDeviceCgroup) bool {
		return d.Allow && d.Major == nil && d.Minor == nil && (d.Type == "" || d.Type == "a")
	})
}
