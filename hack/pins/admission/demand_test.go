// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"strings"
	"testing"
)

// Before Kubernetes 1.36 the chart warns of a template of pods that does not require the agent.
func TestTemplatesDemandTheAnnotation(t *testing.T) {
	objects := chart(t, "version = 1\n[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [\"fuse\"]\n", "--kube-version", "1.33.0")
	_, text, ok := strings.Cut(objects, "\n# What makes pods is warned of as well")
	if !ok {
		t.Fatal(objects)
	}
	_, text, _ = strings.Cut(text, "\n")
	text, _, _ = strings.Cut(text, "\n---")
	r := compile(t, text, oldest)
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"} {
		for _, tc := range []struct {
			value, namespace string
			warned           bool
		}{{"", "ci", true}, {`[]`, "ci", true}, {`["a"]`, "ci", true}, {`["nodegate"`, "ci", true}, {`["a", "nodegate"]`, "ci", false}, {"", "other", false}} {
			metadata := map[string]any{}
			if tc.value != "" {
				metadata["annotations"] = map[string]any{"required-plugins.noderesource.dev": tc.value}
			}
			spec := map[string]any{"template": map[string]any{"metadata": metadata, "spec": map[string]any{}}}
			if kind == "CronJob" {
				spec = map[string]any{"jobTemplate": map[string]any{"spec": spec}}
			}
			got := r.judge(kind, "", map[string]any{"metadata": map[string]any{"name": "made"}, "spec": spec}, nil, tc.namespace)
			want := "nodegate: the annotation required-plugins.noderesource.dev of the pods of " + kind + " ci/made must be a JSON list that has \"nodegate\": " +
				"write required-plugins.noderesource.dev: '[\"nodegate\"]' into the annotations of its template"
			if got.err != nil || got.denied != tc.warned || tc.warned && got.message != want {
				t.Errorf("%s with %q in %s: %+v", kind, tc.value, tc.namespace, got)
			}
		}
	}
}
