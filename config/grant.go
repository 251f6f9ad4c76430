// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
)

// globOfName is what a glob on a Kubernetes name can be made of. Names are
// DNS labels, so with any other character it matches none.
var globOfName = regexp.MustCompile(`^[-a-z0-9*?\[\]^\\]+$`)

func (b *builder) readGrants(top *table) {
	for _, t := range top.tables("grants", "[[grants]]") {
		before := len(t.doc.errors)
		g := &grant{table: t}
		g.read()
		g.broken = len(t.doc.errors) > before
		b.grants = append(b.grants, g)
	}
}

// read leaves empty what is not written: the engine has the defaults, since
// that of runtime_handlers depends on the whole policy.
func (g *grant) read() {
	t := g.table
	g.Source = t.doc.source(t.path)
	g.profiles = t.list("profiles", `"ping"`)
	for _, it := range g.profiles {
		g.Profiles = append(g.Profiles, it.value)
	}
	g.Namespaces = t.globs("namespaces")
	g.pods()
	g.Containers = t.globs("containers")
	g.Handlers, _ = t.handlers("runtime_handlers")
	g.UserNamespace = policy.UserNamespaceRule(t.choice("user_namespace", string(policy.AnyUserNamespace),
		string(policy.RequiredUserNamespace), string(policy.ForbiddenUserNamespace)))
	g.Always = t.choice("apply", "on_request", "always") == "always"
	g.accept()
	t.finish()
}

// accept reads which annotations of other tools are requests too.
func (g *grant) accept() {
	var known []string
	for _, f := range policy.ThirdParties() {
		known = append(known, string(f))
	}
	for _, it := range g.table.list("accept", fmt.Sprintf("%q", known[0])) {
		if !slices.Contains(known, it.value) {
			// The form for one container or for the pod is the pod's to choose.
			name, _, _ := strings.Cut(it.value, "/")
			g.table.doc.bad(it.path, "is %q, which is not an annotation that nodegate reads: %s", it.value, suggest(name, known))
			continue
		}
		g.Accept = append(g.Accept, policy.ThirdParty(it.value))
	}
}

// pods leaves out a selector that selects every pod: it narrows nothing, and
// a grant that takes away may hold it.
func (g *grant) pods() {
	text, ok := g.table.str("pods", `"app = web"`)
	if !ok {
		return
	}
	s, err := parseSelector(text)
	if err != nil {
		g.table.bad("pods", `is %q, which is not a label selector (%s): write it as kubectl's -l takes it, as in "app in (gw, edge), tier != test"`, text, selectorWords(err))
	} else if s != nil {
		g.Pods = s
	}
}

// globs takes a list of globs on names of Kubernetes.
func (t *table) globs(key string) []string {
	var out []string
	for _, it := range t.list(key, `"*"`) {
		remedy := badGlob(it.value)
		switch {
		case it.value == "":
			remedy = `write a name, or "*" for all`
		case remedy == "" && !globOfName.MatchString(it.value):
			remedy = "no name matches that: names are made of lower-case letters, digits and -, globs of *, ? and [a-z] as well"
		}
		if remedy != "" {
			t.doc.bad(it.path, "is %q: %s", it.value, remedy)
		}
		out = append(out, it.value)
	}
	return out
}
