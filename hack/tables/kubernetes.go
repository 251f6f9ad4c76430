// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tables

import (
	_ "embed"
	"slices"
	"strings"
)

// What ran, as the cells of a table's row each. The tests themselves write it with -update.
var (
	// kubernetesRan are the versions of Kubernetes that the chart's tests ran on.
	//
	//go:embed kubernetes.txt
	kubernetesRan string

	// critestRan are the figures of the CRI's own tests.
	//
	//go:embed critest.txt
	critestRan string

	// nodeE2ERan are the figures of Kubernetes' own tests of nodes.
	//
	//go:embed nodee2e.txt
	nodeE2ERan string
)

// Kubernetes are the versions that the chart's tests ran on, as the cells of a row each.
func Kubernetes() []string { return lines(kubernetesRan) }

// KubernetesSection is the section of docs/support-matrix.md about Kubernetes and the CRI.
func KubernetesSection() string {
	return `
## Kubernetes

The chart, by ` + "`make test-kubernetes KUBERNETES=VERSION`" + `:

| Kubernetes | containerd |
|---|---|
` + rows(Kubernetes()) + `
The CRI's and Kubernetes' own tests, by ` + "`make suites`" + ` (passed/skipped/failed): what passes bare passes
with nodegate.

| Tests | containerd | Bare | With nodegate | Adjusted |
|---|---|---|---|---|
` + rows(append(lines(critestRan), lines(nodeE2ERan)...))
}

// WithRow is a table's text with a row in the place of that of the same tests, which are in
// its first cell before their version.
func WithRow(text, row string) string {
	first := func(row string) string { cell, _, _ := strings.Cut(row, " v"); return cell }
	var all []string
	for _, old := range lines(text) {
		if first(old) != first(row) {
			all = append(all, old)
		}
	}
	all = append(all, row)
	slices.Sort(all)
	return strings.Join(all, "\n") + "\n"
}

func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

func rows(all []string) (out string) {
	for _, row := range all {
		out += "| " + row + " |\n"
	}
	return out
}
