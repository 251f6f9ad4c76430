// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"strings"
	"testing"
)

// What is of nobody's in Kubernetes is told from a manifest that is wrong, and what is
// privileged in a document without pods is noted.
func TestOther(t *testing.T) {
	const hidden = "makes a container privileged, and holds no pod as it is written: read what is made of it, as helm template prints it"
	for name, tc := range map[string]struct {
		text   string
		other  bool
		hidden string
	}{
		"another program's settings":         {"run:\n  timeout: 5m\n", true, ""},
		"a list of changes":                  {"- op: replace\n  path: /spec/replicas\n", true, ""},
		"settings beside an object":          {"kind: ConfigMap\n---\nx: 1\n", true, ""},
		"a workflow":                         {"on: push\nenv: {TOKEN: \"${{ secrets.T }}\"}\n", true, ""},
		"an object without its kind":         {"apiVersion: v1\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n", false, ""},
		"an item without its kind":           {"kind: List\nitems: [{metadata: {name: a}}]\n", false, ""},
		"settings beside a pod":              {"x: 1\n---\n" + onePod, false, ""},
		"a version that is a number":         {"apiVersion: 1\nx: 1\n", true, ""},
		"what CDI describes":                 {"cdiVersion: 0.6.0\nkind: vendor.example/gpu\n", true, ""},
		"services of Docker Compose":         {"services: {x: {privileged: true}}\n", true, ""},
		"a Job that cannot be read":          {"apiVersion: batch/v1\nkind: Job\nmetadata: {name: <node>}\nspec: {template: {spec: {containers: [{name: a, securityContext: {privileged: true}}]}}}\n", false, ""},
		"a dashboard":                        {"{\"legend\": \"{{host}}\"}\n", true, ""},
		"a schema":                           {"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: " + strings.Repeat("{properties: ", 40) + "{privileged: true}" + strings.Repeat("}", 40) + "\n", true, ""},
		"a template":                         {"x: \"{{ .Values.x }}\"\n", false, ""},
		"what cannot be read":                {"a: [\n", false, ""},
		"values of a chart":                  {"app:\n  securityContext:\n    privileged: true\n", true, "x.yaml:3: this document " + hidden},
		"values in an object":                {"kind: HelmRelease\nspec: {values: {app: {securityContext: {privileged: true}}}}\n", true, "x.yaml:2: kind HelmRelease " + hidden},
		"a manifest in a text":               {"kind: ConfigMap\ndata:\n  pod: |\n    containers:\n    - securityContext:\n        privileged: true\n", true, "x.yaml:3: kind ConfigMap " + hidden},
		"the second of two documents":        {onePod + "---\nkind: Runner\nspec: {privileged: true}\n", false, "x.yaml:8 (document 2): kind Runner " + hidden},
		"an anchor":                          {"kind: X\nspec: {a: &a {privileged: true}, b: *a}\n", true, "x.yaml:2: kind X " + hidden},
		"a text as its value":                {"kind: X\nspec: {privileged: \"true\"}\n", true, ""},
		"what is not":                        {"kind: X\nspec: {privileged: false}\n", true, ""},
		"what talks of it":                   {"kind: X\nspec: {text: \"as privileged: true says\"}\n", true, ""},
		"a rule for pods":                    {"kind: PodSecurityPolicy\nspec: {privileged: true}\n", true, ""},
		"a kind with what a terminal obeys":  {"kind: \"\\e[2J\"\nspec: {privileged: true}\n", true, "x.yaml:2: this document " + hidden},
		"a pod, which is read as what it is": {strings.Replace(onePod, "name: app", "name: app, securityContext: {privileged: true}", 1), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := Read("x.yaml", strings.NewReader(tc.text))
			got := ""
			if len(f.Hidden) > 0 {
				got = fmt.Sprint(f.Hidden[0])
			}
			if f.Other != tc.other || got != tc.hidden || len(f.Hidden) > 1 {
				t.Errorf("other %v, hidden %q\n%s", f.Other, got, show(f))
			}
		})
	}
}
