// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tables

import (
	_ "embed"
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
)

// Kubernetes are the versions that the chart's tests ran on, as the cells of a row each.
func Kubernetes() []string { return lines(kubernetesRan) }

// KubernetesSection is the section of docs/support-matrix.md about Kubernetes and the CRI.
func KubernetesSection() string {
	return `
## Kubernetes

The chart's tests run on the first, and on another by ` + "`make test-kubernetes KUBERNETES=VERSION`" + `.

| Kubernetes | containerd |
|---|---|
` + rows(Kubernetes()) + `
The CRI's own tests, by ` + "`make suites`" + `. What passes bare passes with nodegate in between.

| Tests | containerd | Bare | With nodegate | Every container adjusted |
|---|---|---|---|---|
` + rows(lines(critestRan))
}

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

func rows(all []string) (out string) {
	for _, row := range all {
		out += "| " + row + " |\n"
	}
	return out
}
