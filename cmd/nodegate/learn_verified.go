// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/suggest"
)

// verified is what running a pod again has shown.
type verified struct {
	Works       bool              `json:"works"`
	Seen        string            `json:"seen"`                  // how the containers ended, or that they went on
	NotRecorded string            `json:"notRecorded,omitempty"` // "", or why it is not known what they used
	Verdicts    []suggest.Verdict `json:"verdicts"`              // in the first run, under the whole proposal
	Minimized   []suggest.Removed `json:"minimized,omitempty"`
	Cut         string            `json:"cut,omitempty"` // why not everything was tried

	ends map[string]string // by container
}

// write prints what was shown.
func (v *verified) write(w io.Writer) {
	fmt.Fprintf(w, "Run under the proposal: %s\n", v.Seen)
	if v.NotRecorded != "" {
		fmt.Fprintf(w, "  what it used was not recorded: %s\n", v.NotRecorded)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, one := range v.Verdicts {
		result := string(one.Result)
		if one.Result == suggest.Denied {
			result += ", program " + v.after(one.Container)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", one.Container, one.What, result)
	}
	_ = t.Flush() // to a buffer
	if len(v.Minimized) > 0 {
		fmt.Fprintln(w, "Each entry taken away:")
		for _, one := range v.Minimized {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", one.Container, one.What, map[bool]string{true: "stays", false: "goes"}[one.Needed], one.Seen)
		}
		_ = t.Flush() // to a buffer
	}
	if v.Cut != "" {
		fmt.Fprintf(w, "Not all was tried: %s\n", v.Cut)
	}
	fmt.Fprintln(w)
}

// after is how a container was after something was denied to it.
func (v *verified) after(container string) string {
	if v.ends[container] == endedWell {
		return "went on, and " + endedWell
	}
	return v.ends[container]
}
