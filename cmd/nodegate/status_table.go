// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nodegate/nodegate/plugin/event"
)

// shownRefusals is how many of the last ones are shown to people.
const shownRefusals = 10

// print writes the report for people.
func (r *statusReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if r.Ready {
		fmt.Fprintf(w, "READY\tyes, registered since %s (%s)\n", at(r.RegisteredSince), r.Runtime)
	} else {
		fmt.Fprintf(w, "READY\tno: %s\n", r.NotReady)
	}
	fmt.Fprintf(w, "AGENT\tversion %s, pid %d, since %s, registered %d times\n", r.Version, r.PID, at(r.Started), r.Registrations)
	fmt.Fprintf(w, "POLICY\t%s, mode %s, loaded %s\n", r.Policy.Hash, r.Policy.Mode, at(r.Policy.LoadedAt))
	fmt.Fprintf(w, "\t%s\n", strings.Join(r.Policy.Files, ", "))
	if r.Policy.Failed != "" {
		fmt.Fprintf(w, "\tNOT RELOADED at %s; the policy above stays:\n", at(r.Policy.FailedAt))
		for line := range strings.SplitSeq(r.Policy.Failed, "\n") {
			fmt.Fprintf(w, "\t  %s\n", line)
		}
	}
	if r.Differs != "" {
		fmt.Fprintf(w, "\tDIFFERS: %s\n", r.Differs)
	}
	fmt.Fprintf(w, "CONTAINERS\t%d, of which %d adjusted and %d outdated\n", r.Containers.All, r.Containers.Adjusted, r.Containers.Outdated)
	fmt.Fprintf(w, "DECIDED\t%d adjusted, %d refused, %d unmatched\n", r.Decisions.Adjusted, r.Decisions.Refused, r.Decisions.Unmatched)
	for i, one := range r.Resources {
		title := ""
		if i == 0 {
			title = "RESOURCES"
		}
		fmt.Fprintf(w, "%s\t%s: %d of %d units can be had", title, one.Name, one.Healthy, one.Units)
		if one.Why != "" {
			fmt.Fprintf(w, ": %s", one.Why)
		} else if one.Unsure != "" {
			fmt.Fprintf(w, ", but %s", one.Unsure)
		}
		fmt.Fprintln(w)
	}
	printProfiles(w, r.Profiles)
	if err := w.Flush(); err != nil {
		return err
	}
	last := r.Refusals[:min(len(r.Refusals), shownRefusals)]
	list(out, fmt.Sprintf("LAST REFUSALS (%d of %d)", len(last), r.Decisions.Refused), last, func(o *event.Event) string { return at(o.Time) + "  " + o.Text })
	list(out, "OUTDATED", r.Outdated, func(o *event.Event) string { return o.ContainerID + "  " + o.Text })
	return nil
}

// printProfiles writes those that a grant names, and why the node cannot give some.
func printProfiles(w io.Writer, all []event.Profile) {
	granted := 0
	var can, notes []string
	for _, p := range all {
		switch {
		case !p.Granted:
		case !p.Carried:
			granted++
			notes = append(notes, p.Name+" cannot be given here: "+p.Why)
		default:
			granted++
			can = append(can, p.Name)
			if p.Unsure != "" {
				notes = append(notes, p.Name+": "+p.Unsure)
			}
		}
	}
	if granted > 0 {
		lines := append([]string{strings.TrimSuffix(fmt.Sprintf("%d of %d granted can be given here: %s", len(can), granted, strings.Join(can, ", ")), ": ")}, notes...)
		fmt.Fprintf(w, "PROFILES\t%s\n", strings.Join(lines, "\n\t"))
	}
}

func list(out io.Writer, title string, all []*event.Event, line func(*event.Event) string) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s\n", title)
	for _, o := range all {
		fmt.Fprintf(out, "  %s\n", printable(line(o)))
	}
}

// printable keeps what a pod's author wrote from steering a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func at(t time.Time) string { return t.Local().Format(time.DateTime) }
