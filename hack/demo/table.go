// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// printTable prints what changed, a question a line.
func printTable(w io.Writer, rows []row, before, after map[string]string) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "\nWHAT\tWHERE\tWITHOUT\tWITH NODEGATE")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.what, r.who, before[r.key()], after[r.key()])
	}
	_ = t.Flush() // to a terminal or a pipe; the answers stay what they are
}
