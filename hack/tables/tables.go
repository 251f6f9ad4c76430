// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package tables writes the tables of the documentation that repeat what the
// code knows: which channel delivers which kind of change, and what CRI-O's
// releases do. Tests compare them with the pages.
package tables

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// Kinds is the table of docs/policy.md: what NRI and the wrapper deliver.
func Kinds() string {
	out := "| Part of a profile | NRI of containerd | NRI of CRI-O | Wrapper |\n|---|---|---|---|\n"
	rows := map[string][]string{}
	var order []string
	for _, k := range change.Kinds() {
		wrapper := map[bool]string{true: "yes", false: "no"}[k.Wrapper]
		for _, use := range k.Uses {
			cells := fmt.Sprintf("%s | %s | %s", since(runtimes.Containerd, use), since(runtimes.CRIO, use), wrapper)
			if k.Agent {
				cells = "any: the agent does it on the node | any | not needed"
			}
			switch {
			case use.Text == "":
				continue
			case rows[cells] == nil:
				order = append(order, cells)
			}
			rows[cells] = append(rows[cells], use.Text)
		}
	}
	for _, cells := range order {
		out += fmt.Sprintf("| %s | %s |\n", strings.Join(rows[cells], ", "), cells)
	}
	return out
}

func since(runtime string, use change.Use) string {
	if use.NRI == 0 {
		return "never"
	}
	return cmp.Or(runtimes.Since(runtime, use.NRI), "never")
}

// features are what CRI-O is listed with beside the uses of changes.
var features = []change.Use{
	{Text: "that the container's user is told", NRI: change.TellsUser},
	{Text: "that plugins validate adjustments", NRI: change.Validates},
}

// triedOnCRIO lists what was tried on a real CRI-O, and not only read in its source.
func triedOnCRIO() string {
	var uses []change.Use
	for _, k := range change.Kinds() {
		if !k.Agent {
			uses = append(uses, k.Uses...)
		}
	}
	var out []string
	for _, use := range append(uses, features...) {
		if use.NRI == 0 || use.Text == "" {
			continue // no NRI does it, or nobody asks for it by itself
		}
		if slices.ContainsFunc(runtimes.Rows(runtimes.CRIO), func(row runtimes.Row) bool { return row.Tried.Have(use.NRI) }) {
			out = append(out, use.Text)
		}
	}
	return strings.Join(out, ", ")
}

// CRIOSection is the section of docs/support-matrix.md that is about CRI-O.
func CRIOSection() string {
	return `
## CRI-O

[What carries what](policy.md#what-carries-what) has the releases. Tried on CRI-O 1.36.3 and a
development version of 1.37: ` + triedOnCRIO() + `. The rest is known from its source.

With drop_infra_ctr, CRI-O's default, a pod has no process. The agent then reads its id map by entering its
user namespace by path: it must see CRI-O's /run and be allowed setns(2), as a service of the node is. In a
pod with the runtime's seccomp profile it is not, and what needs the map is refused.
`
}
