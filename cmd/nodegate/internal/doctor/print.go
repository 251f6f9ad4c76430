// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// colours of a terminal, by status.
var colours = map[Status]string{OK: "32", Unknown: "33", Warning: "33", Problem: "31"}

// Table prints the findings for people, coloured or not. A remedy stands on a
// line of its own.
func (r *Report) Table(w io.Writer, colour bool) error {
	var b strings.Builder
	what := len("CHECK")
	for _, f := range r.Findings {
		what = max(what, len(f.title()))
	}
	indent := strings.Repeat(" ", what+2+len(Problem)+2)
	fmt.Fprintf(&b, "%-*s  %-*s  FOUND\n", what, "CHECK", len(Problem), "STATUS")
	for _, f := range r.Findings {
		status := fmt.Sprintf("%-*s", len(Problem), f.Status)
		if colour {
			status = "\x1b[" + colours[f.Status] + "m" + status + "\x1b[0m"
		}
		found := strings.ReplaceAll(f.Found, "\n", "\n"+indent)
		fmt.Fprintf(&b, "%-*s  %s  %s\n", what, f.title(), status, found)
		if f.Remedy != "" {
			fmt.Fprintf(&b, "%sTo do: %s\n", indent, f.Remedy)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// title is a finding's first column.
func (f *Finding) title() string {
	if f.Subject == "" {
		return f.Check
	}
	return f.Check + " " + f.Subject
}

// JSON prints the findings for programs.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
