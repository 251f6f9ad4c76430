// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"strings"
	"testing"
)

const listEnd = "kind: List\nmetadata:\n  resourceVersion: \"\"\n"

// lists are as kubectl prints them, or nearly.
var lists = map[string]string{
	"pods": `- kind: Pod
  metadata: {name: a, namespace: ci}
  spec:
    containers: [{name: app}]
- kind: Pod
  metadata:
    name: b
    namespace: ci
    annotations:
      text: |
        - kind: Pod

        kind: List
      profiles.nodegate.dev/container.gone: fuse
  spec: {containers: [{name: app}]}
` + listEnd,
	"kinds": `- kind: Deployment
  metadata: {name: w, namespace: ci}
  spec: {template: {spec: {containers: [{name: app}]}}}
- kind: RuntimeClass
  metadata: {name: c}
  handler: h
- kind: ConfigMap
  metadata: {name: c}
- kind: List
  items:
  - kind: Pod
    metadata: {name: a, namespace: ci}
    spec: {containers: [{name: app}]}
` + listEnd,
	"of one kind": `- metadata: {name: a, namespace: ci}
  spec: {containers: [{name: app}]}
kind: PodList
`,
	"faults": `- kind: Pod
  metadata: {name: a, namespace: ci}
- text
- kind: Pod
  metadata: {name: b, namespace: ci}
  spec: {containers: [{name: app, securityContext: {privileged: 7}}]}
- metadata: {name: c}
` + listEnd,
	"an anchor": `- &a
  kind: Pod
  metadata: {name: a, namespace: ci}
  spec: {containers: [{name: app}]}
- *a
` + listEnd,
	"quotes": `- kind: Pod
  metadata: {name: a, namespace: ci, annotations: {text: "x
- kind: Pod
  y"}}
  spec: {containers: [{name: app}]}
` + listEnd,
	"no YAML in the second":  "- kind: Pod\n  metadata: {name: a, namespace: ci}\n  spec: {containers: [{name: app}]}\n- {\n" + listEnd,
	"a comment":              "- kind: Pod\n# -\n  metadata: {name: a, namespace: ci}\n  spec: {containers: [{name: app}]}\n" + listEnd,
	"a key with a dash":      "- kind: Pod\n  metadata: {name: a, namespace: ci}\n  spec: {containers: [{name: app}]}\n-x: 1\n" + listEnd,
	"no kind":                "- kind: Pod\n  metadata: {name: a, namespace: ci}\n  spec: {containers: [{name: app}]}\n",
	"twice items":            "- kind: Pod\n  metadata: {name: a, namespace: ci}\n  spec: {containers: [{name: app}]}\nitems: []\n" + listEnd,
	"nothing after the dash": "- \n" + listEnd,
}

// A list that is read an item at a time comes to the same as one that is read whole.
func TestItemsAreTheWhole(t *testing.T) {
	same := func(name, text, whole string) {
		t.Helper()
		if got, want := show(Read("x", strings.NewReader(text))), show(Read("x", strings.NewReader(whole))); got != want {
			t.Errorf("%s:\n%swhole:\n%s", name, got, want)
		}
	}
	for name, text := range lists {
		same(name, string(listStart[:len(listStart)-2])+text, strings.Replace(string(listStart[:len(listStart)-2]), " ", "  ", 1)+text)
	}
	pod := `{"kind": "Pod", "metadata": {"name": "a", "namespace": "ci"},` + "\n" + `"spec": {"containers": [{"name": "app"}]}}`
	for name, text := range map[string]string{
		"pods":        "{\n\t\"items\": [\n" + pod + ",\n" + pod + "\n], \"kind\": \"List\", \"metadata\": {}}\n",
		"kind first":  `{"kind": "PodList", "items": [` + strings.Replace(pod, `"kind": "Pod", `, "", 1) + "]}",
		"one pod":     pod,
		"no kind":     `{"items": [` + pod + "]}",
		"a string":    `{"kind": "List", "items": ["x", ` + pod + "]}",
		"twice items": `{"kind": "List", "items": [], "items": [` + pod + "]}",
		"a comma":     `{"kind": "List", "items": [` + pod + ",]}",
		"no items":    `{"kind": "List", "items": []}`,
	} {
		same("JSON, "+name, text, text+"\n# whole")
	}
}

// Those lists that are read an item at a time are: nothing else shows it.
func TestItemsAreCut(t *testing.T) {
	for name, want := range map[string]int{"pods": 2, "kinds": 4, "of one kind": 1, "faults": 4, "a key with a dash": 1, "a comment": -1, "no kind": -1, "twice items": -1} {
		_, items, err := cutYAML([]byte(string(listStart[:len(listStart)-2]) + lists[name]))
		if err != nil && want >= 0 || err == nil && len(items) != want {
			t.Errorf("%s: %d items, %v, want %d", name, len(items), err, want)
		}
	}
	if _, items, err := cutJSON([]byte(`{"items": [{}, {}], "kind": "List"}`)); err != nil || len(items) != 2 {
		t.Errorf("%d items of JSON, %v", len(items), err)
	}
}
