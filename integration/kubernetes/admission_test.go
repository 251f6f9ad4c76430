// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

const required = "required-plugins.noderesource.dev"

// annotated is a manifest of a pod with annotations.
func annotated(t *testing.T, name string, annotations map[string]string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name, "annotations": annotations},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": "i"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// create says what the API server makes of the annotation, in a dry run.
func (c *api) create(t *testing.T, namespace string, annotations map[string]string) (string, error) {
	t.Helper()
	return c.kubectl(t, annotated(t, "p", annotations), "-n", namespace, "create", "--dry-run=server", "-f", "-", "-o",
		`jsonpath={.metadata.annotations.required-plugins\.noderesource\.dev}`)
}

// granting installs the chart and waits for the API server to go by its policies.
func granting(t *testing.T, namespace string, others ...string) *api {
	t.Helper()
	c := objects(t)
	for _, name := range others {
		c.namespace(t, name)
	}
	c.install(t, namespace, "--set-file", policyValue(t, strings.Replace(grants, `"ci"`, `"`+others[0]+`", "`+namespace+`", "kube-system"`, 1)))
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		value, err := c.create(t, others[0], nil)
		_, refused := c.create(t, others[0], map[string]string{required + "/pod": "[]"})
		if err == nil && value != "" && refused != nil {
			return c
		}
		if time.Now().After(end) {
			t.Fatalf("admission does not take it up: %q, %v", value, err)
		}
	}
}

// Pods of granted namespaces require the agent, and what they require besides stays.
func TestAdmissionRequiresTheAgent(t *testing.T) {
	c := granting(t, "requires", "ci-1", "iot-2", "other")
	for _, tc := range []struct{ namespace, have, want string }{
		{"ci-1", "", `["nodegate"]`},
		{"iot-2", "", `["nodegate"]`},
		{"ci-1", `[]`, `["nodegate"]`},
		{"ci-1", ` [ ] `, `["nodegate"]`},
		{"ci-1", `["topology"]`, `["topology", "nodegate"]`},
		{"ci-1", "[ \"a\" ,\n \"b\" ]\n", "[ \"a\" ,\n \"b\" , \"nodegate\"]"},
		{"ci-1", `["a", "nodegate"]`, `["a", "nodegate"]`},
		{"ci-1", `["nodegate-2"]`, `["nodegate-2", "nodegate"]`},
		{"other", "", ""},
		{"other", `["x"]`, `["x"]`},
		// The agent's own pods, and the cluster's, must start without an agent.
		{"requires", "", ""},
		{"kube-system", "", ""},
	} {
		annotations := map[string]string{"a": "b"}
		if tc.have != "" {
			annotations[required] = tc.have
		}
		if value, err := c.create(t, tc.namespace, annotations); err != nil || value != tc.want {
			t.Errorf("%s, %q: got %q, %v, want %q", tc.namespace, tc.have, value, err, tc.want)
		}
	}
}

// A pod has an annotation that makes it independent of the agent. The API server refuses
// each of them.
func TestAttackRequiredPlugins(t *testing.T) {
	c := granting(t, "attack", "ci-3")
	refused := func(how string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", how, err, want)
		}
	}
	for key, values := range map[string][]string{"/pod": {`[]`, ""}, "/container.c": {`[]`, ""}, "/container.any": {`["nodegate"]`}} {
		for _, value := range values {
			_, err := c.create(t, "ci-3", map[string]string{required + key: value})
			refused(key+"="+value, err, "nodegate: the annotation "+required+key+" could let containers of namespace \"ci-3\" run without their adjustment")
		}
	}
	// containerd's validator reads YAML, of which a list of plain strings in JSON is a part.
	for _, value := range []string{`[nodegate]`, `{}`, `["a\u0022nodegate\u0022"]`, `["a"] # "nodegate"`, "- a\n- b", `["a", "b"`, `["nodegate" "a"]`, `{"nodegate": []}`, `"nodegate"`, "[\n# \"nodegate\"\n]"} {
		_, err := c.create(t, "ci-3", map[string]string{required: value})
		refused(value, err, `must be a JSON list that has "nodegate", as in ["nodegate"]: leave it out`)
	}
	if _, err := c.kubectl(t, annotated(t, "p", nil), "-n", "ci-3", "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	patch := func(value string, more ...string) error {
		_, err := c.kubectl(t, "", append([]string{"-n", "ci-3", "patch", "pod", "p", "--type=merge", "-p", value}, more...)...)
		return err
	}
	annotate := func(key, value string) string { return `{"metadata":{"annotations":{"` + key + `":` + value + `}}}` }
	for _, more := range [][]string{nil, {"--subresource=status"}} {
		refused("taken away", patch(annotate(required, "null"), more...), "leave it as it is")
		refused("emptied", patch(annotate(required, `"[]"`), more...), "leave it as it is")
		refused("overridden", patch(annotate(required+"/pod", `"[]"`), more...), "write required-plugins.noderesource.dev instead")
		refused("overridden for one", patch(annotate(required+"/container.c", `"[]"`), more...), "write required-plugins.noderesource.dev instead")
		refused("overridden by nothing", patch(annotate(required+"/pod", `""`), more...), "write required-plugins.noderesource.dev instead")
	}
	// These change no annotation, whoever asks for it.
	for _, subresource := range []string{"ephemeralcontainers", "resize"} {
		_ = patch(annotate(required+"/pod", `"[]"`), "--subresource="+subresource)
		if out, err := c.kubectl(t, "", "-n", "ci-3", "get", "pod", "p", "-o", "jsonpath={.metadata.annotations}"); err != nil || strings.Contains(out, required+"/") {
			t.Errorf("by %s: %s, %v", subresource, out, err)
		}
	}
	for _, harmless := range []string{annotate("a", `"b"`), annotate(required, `"[\"nodegate\", \"a\"]"`), `{"metadata":{"labels":{"a":"b"}}}`} {
		if err := patch(harmless); err != nil {
			t.Errorf("%s: %v", harmless, err)
		}
	}
	if err := patch(`{"status":{"phase":"Running"}}`, "--subresource=status"); err != nil {
		t.Error(err)
	}
}

// Whoever binds a pod to a node sets annotations of it, past all rules for pods. The API
// server refuses those too.
func TestAttackRequiredPluginsByABinding(t *testing.T) {
	c := granting(t, "attack-binding", "ci-5", "elsewhere")
	bind := func(namespace, path, annotations string) error {
		_, err := c.kubectl(t, `{"apiVersion":"v1","kind":"Binding","metadata":{"name":"p","annotations":{`+annotations+`}},"target":{"kind":"Node","name":"n"}}`,
			"create", "--raw", "/api/v1/namespaces/"+namespace+path, "-f", "-")
		return err
	}
	for _, namespace := range []string{"ci-5", "elsewhere"} {
		if _, err := c.kubectl(t, annotated(t, "p", nil), "-n", namespace, "create", "-f", "-"); err != nil {
			t.Fatal(err)
		}
	}
	const empty, more, nothing = `"` + required + `":"[]"`, `"` + required + `/pod":"[]"`, `"` + required + `/pod":""`
	for _, path := range []string{"/pods/p/binding", "/bindings"} {
		for _, annotations := range []string{empty, more, nothing} {
			if err := bind("ci-5", path, annotations); err == nil || !strings.Contains(err.Error(), "nodegate: the annotation "+required) {
				t.Errorf("%s with %s: %v", path, annotations, err)
			}
		}
	}
	if err := bind("ci-5", "/pods/p/binding", `"a":"b"`); err != nil {
		t.Error(err)
	}
	// It would have gone through.
	if err := bind("elsewhere", "/pods/p/binding", more); err != nil {
		t.Error(err)
	}
	if out, err := c.kubectl(t, "", "-n", "elsewhere", "get", "pod", "p", "-o", "jsonpath={.metadata.annotations}"); err != nil || !strings.Contains(out, required+"/pod") {
		t.Errorf("the API server ignores annotations of a binding, so that the rule is not needed: %s, %v", out, err)
	}
}

// Pods that are older than the policy go on, whatever the kubelet says of them.
func TestAdmissionLeavesOlderPods(t *testing.T) {
	c := objects(t)
	c.namespace(t, "iot-old")
	// The policies of the test before may hold for a moment.
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		_, err := c.kubectl(t, annotated(t, "p", map[string]string{required + "/pod": "[]"}), "-n", "iot-old", "create", "-f", "-")
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	granting(t, "older", "ci-4")
	for _, more := range [][]string{{"-p", `{"metadata":{"labels":{"a":"b"}}}`}, {"--subresource=status", "-p", `{"status":{"phase":"Running"}}`}} {
		if _, err := c.kubectl(t, "", append([]string{"-n", "iot-old", "patch", "pod", "p", "--type=merge"}, more...)...); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.kubectl(t, "", "-n", "iot-old", "delete", "pod", "p", "--force", "--grace-period=0"); err != nil {
		t.Error(err)
	}
}
