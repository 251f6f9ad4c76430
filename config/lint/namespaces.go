// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strings"
)

// namespaces looks at globs of grants that hand something over, or by which pods that
// did not ask for anything can be refused. One that only takes away, or sets up the
// container itself, may well be for everybody.
func (l *linter) namespaces(g *view) {
	gives, refuses := g.has(gives), l.mayRefuse(g)
	for i, glob := range g.Namespaces {
		key := fmt.Sprintf("namespaces[%d]", i)
		what := fmt.Sprintf("grants[%d].namespaces has %q", g.index, glob)
		switch {
		case strings.Trim(glob, "*") == "" && refuses:
			l.add("every_namespace", g.at(key), what+", and pods of kube-system too can be refused for it", "name the namespaces")
		case !gives:
		case strings.Trim(glob, "*") == "":
			l.add("every_namespace", g.at(key), what, "name the namespaces")
		case strings.ContainsAny(glob, `*?[\`):
			l.add("namespace_glob", g.at(key), what, "name the namespaces, or keep such names to whom they are for")
		}
	}
}

// narrowing looks at conditions of a grant that look as if they kept somebody out.
func (l *linter) narrowing(g *view) {
	write := "use another namespace to keep somebody out"
	if g.Pods != nil {
		l.add("narrowed_by_author", g.at("pods"), fmt.Sprintf("grants[%d].pods is %q", g.index, g.Pods.String()), write)
	}
	if len(g.Containers) > 0 && !slices.Contains(g.Containers, "*") {
		l.add("narrowed_by_author", g.at("containers"), fmt.Sprintf("grants[%d].containers is %q", g.index, g.Containers), write)
	}
}
