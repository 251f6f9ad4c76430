// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/nodegate/nodegate/plugin/policy"
)

// writeTable writes for people.
func (r *explainReport) writeTable(w io.Writer) error {
	var out bytes.Buffer
	for i := range r.Pods {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		r.podTable(&out, &r.Pods[i])
	}
	_, err := w.Write(out.Bytes())
	return err
}

// usualPaths are where Kubernetes' own workloads have their pod: no reader has to be
// told. A Pod has none.
var usualPaths = []string{"", "spec.template", "spec.jobTemplate.spec.template", "template"}

func (r *explainReport) podTable(w *bytes.Buffer, p *podReport) {
	title := fmt.Sprintf("%s %s/%s", p.Kind, p.Namespace, p.Pod)
	if p.Source != nil {
		title += ", " + p.Source.String()
	}
	if p.several || !slices.Contains(usualPaths, p.Path) {
		title += ", " + p.Path
	}
	fmt.Fprintln(w, title)
	t := table(w)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("policy", "%s%s", r.Policy, map[bool]string{true: `, mode = "audit": nothing of this is carried out, and nothing refused`}[r.Audit])
	row("runtime", "%s, %s", p.Runtime, p.RuntimeFrom)
	handler := fmt.Sprintf("%q", p.Handler)
	if p.Handler == "" {
		handler = "the default one"
	}
	row("handler", "%s, %s", handler, p.HandlerFrom)
	for _, text := range p.Assumed {
		row("assumed", "%s", text)
	}
	for _, text := range p.Hints {
		row("note", "%s", text)
	}
	flush(t)
	for i := range p.Containers {
		fmt.Fprintln(w)
		p.Containers[i].table(w)
	}
}

func (c *containerReport) table(w *bytes.Buffer) {
	title := "container"
	if c.Type != "" && c.Type != "container" {
		title = c.Type + " container"
	}
	title += fmt.Sprintf(" %q", c.Name)
	if c.ID != "" {
		title += " " + c.ID
	}
	title += ": " + string(c.Result)
	switch list := strings.Join(c.Profiles, ", "); {
	case list == "" || c.Result == refused:
	case c.Result == unchanged:
		title += ", granted " + list
	default:
		title += ", gets " + list
	}
	fmt.Fprintln(w, title)
	if c.Refusal != nil {
		for _, line := range c.Refusal.Lines() {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	if len(c.Grants) == 0 {
		fmt.Fprintln(w, "  no grant concerns it")
	}
	c.grantTable(w)
	c.changeTable(w)
	for _, text := range c.Reasons {
		fmt.Fprintf(w, "  left out: %s\n", text)
	}
	for _, text := range c.Warnings {
		fmt.Fprintf(w, "  warning: %s\n", text)
	}
	if c.Live != nil {
		c.Live.table(w)
	}
}

func (c *containerReport) grantTable(w *bytes.Buffer) {
	if len(c.Grants) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := table(w)
	fmt.Fprintln(t, "  GRANT\tPROFILE\tGRANTED\tWHY")
	for _, g := range c.Grants {
		sign := "no"
		if g.Verdict == policy.Gives {
			sign = "yes"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", g.Source, g.Profile, sign, g.Why)
	}
	flush(t)
}

func (c *containerReport) changeTable(w *bytes.Buffer) {
	if len(c.Changes) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := table(w)
	has := ""
	if c.Live != nil {
		has = "\tHAS IT"
	}
	fmt.Fprintf(t, "  CARRIED BY%s\tFIELD\tCHANGE\n", has)
	for _, ch := range c.Changes {
		if c.Live != nil {
			has = "\t" + ch.Has
		}
		fmt.Fprintf(t, "  %s%s\t%s\t%s\n", ch.By, has, ch.Field, ch.Change)
	}
	flush(t)
}

func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// flush ends a table that is written to memory, which cannot fail.
func flush(t *tabwriter.Writer) { _ = t.Flush() }
