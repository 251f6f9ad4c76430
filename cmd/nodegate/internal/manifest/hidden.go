// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// inText finds a privileged container in a text, such as a manifest in a ConfigMap.
var inText = regexp.MustCompile(`(?m)^[ \t-]*"?privileged"?:[ \t]*true\b`)

// hidden notes what makes a container privileged in a document that holds no pod as it is
// written: a chart's values, or a text that another program makes pods of.
func (d *document) hidden(top *yaml.Node) {
	kind := field(top, "kind")
	if kind != nil && (kind.Value == "PodSecurityPolicy" || kind.Value == "CustomResourceDefinition") {
		return // they say what pods and objects may hold
	}
	if kind == nil && field(top, "services") != nil {
		return // of Docker Compose
	}
	at := privilegedIn(top)
	if at == nil {
		return
	}
	is := "this document"
	if kind != nil && isName(kind.Value) {
		is = "kind " + kind.Value
	}
	d.out.Hidden = append(d.out.Hidden, d.problem(d.line(at.Line),
		"%s makes a container privileged, and holds no pod as it is written: read what is made of it, as helm template prints it", is))
}

// privilegedIn is the first value in a tree that makes a container privileged, or nil. What
// aliases stand for is in the tree itself.
func privilegedIn(n *yaml.Node) *yaml.Node {
	for i, c := range n.Content {
		member := n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "privileged" && c.Tag == "!!bool" && c.Value == "true"
		if c.Kind == yaml.ScalarNode && (member || inText.MatchString(c.Value)) {
			return c
		}
		if at := privilegedIn(c); at != nil {
			return at
		}
	}
	return nil
}

// templateIn is where a template's {{ begins, or -1. ${{ is of workflows, and YAML.
func templateIn(text []byte) int {
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte("{{"))
		if i < 0 {
			return -1
		}
		if at += i; at == 0 || text[at-1] != '$' {
			return at
		}
		at += 2
	}
}
