// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package tables writes the tables of the documentation that repeat what the
// code knows: which channel delivers which kind of change, and what CRI-O's
// releases do. Tests compare them with the pages.
package tables

import (
	"cmp"
	"fmt"
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

// features are what the table of CRI-O lists beside the uses of changes.
var features = []change.Use{
	{Text: "tells the container's user", NRI: change.TellsUser},
	{Text: "tells the container's seccomp profile", NRI: change.TellsSeccomp},
	{Text: "always tells the pod's process and namespaces", NRI: change.TellsPID | change.TellsHostNamespaces},
	{Text: "lets a plugin validate adjustments", NRI: change.Validates},
}

// CRIO is the table of docs/support-matrix.md: what CRI-O's NRI does.
func CRIO() string {
	rows := runtimes.Rows(runtimes.CRIO)
	head, line, nri := "| CRI-O |", "|---|", "| NRI's version |"
	for _, row := range rows {
		head += fmt.Sprintf(" %s |", row.Since)
		line += "---|"
		nri += fmt.Sprintf(" %s |", row.NRI)
	}
	out := head + "\n" + line + "\n" + nri + "\n"
	var uses []change.Use
	for _, k := range change.Kinds() {
		if !k.Agent {
			uses = append(uses, k.Uses...)
		}
	}
	for _, use := range append(uses, features...) {
		if use.NRI == 0 || use.Text == "" {
			continue // no NRI does it, or nobody asks for it by itself
		}
		out += fmt.Sprintf("| %s |", use.Text)
		for _, row := range rows {
			switch {
			case !row.Features.Have(use.NRI):
				out += " no |"
			case row.Tried.Have(use.NRI):
				out += " tried |"
			default:
				out += " source |"
			}
		}
		out += "\n"
	}
	return out
}

// CRIOSection is the section of docs/support-matrix.md that holds the table.
func CRIOSection() string {
	return `
## CRI-O

What its NRI does: "tried" on CRI-O 1.36.3 and a development version of 1.37, or known from its
"source". What says "no" goes to the wrapper, or the container is refused.

With drop_infra_ctr, CRI-O's default, a pod has no process. The agent then reads the pod's id map by
entering its user namespace by path: it must see CRI-O's /run and be allowed setns(2), as a service
of the node is. In a pod with the runtime's seccomp profile it is not, and what needs the map is
refused.

` + CRIO()
}
