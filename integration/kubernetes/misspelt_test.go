// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Whoever applies a pod, or what makes pods, is warned of a request that nobody reads, and
// is not held up.
func TestAdmissionWarnsOfMisspelt(t *testing.T) {
	c := objects(t)
	c.namespace(t, "spelling")
	c.install(t, "spelling-agent", "--set", "admission.requests=false")
	create := func(manifest string, more ...string) string {
		_, err := c.kubectl(t, manifest, append([]string{"-n", "spelling", "create", "--dry-run=server", "-f", "-"}, more...)...)
		return fmt.Sprint(err)
	}
	pod := func(kind, key string) string {
		return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: p, %s: {%q: fuse}}
spec: {containers: [{name: c, image: i}]}`, kind, key)
	}
	holder := func(version, kind, spec, key string) string {
		return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: p}\nspec: "+spec, version, kind,
			fmt.Sprintf(`{metadata: {labels: {a: b}, annotations: {%q: fuse}}, spec: {restartPolicy: RESTART, containers: [{name: c, image: i}]}}`, key))
	}
	const always, once = `{selector: {matchLabels: {a: b}}, serviceName: s, template: %s}`, `{template: %s}`
	deployment := func(key string) string {
		return strings.NewReplacer("RESTART", "Always", "serviceName: s, ", "").Replace(holder("apps/v1", "Deployment", always, key))
	}
	const near = "profile.nodegate.dev"
	for end := time.Now().Add(30 * time.Second); create(pod("annotations", near), "--warnings-as-errors") == "<nil>"; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("admission does not take it up")
		}
	}
	const says = `nodegate: the annotation "profile.nodegate.dev" asks for nothing: write profiles.nodegate.dev`
	for name, tc := range map[string]struct{ manifest, want string }{
		"pod":         {pod("annotations", near), says},
		"label":       {pod("labels", "profiles.nodegate.dev"), `nodegate: the label "profiles.nodegate.dev" asks for nothing: write it as an annotation`},
		"Deployment":  {deployment(near), says},
		"StatefulSet": {strings.ReplaceAll(holder("apps/v1", "StatefulSet", always, near), "RESTART", "Always"), says},
		"Job":         {strings.ReplaceAll(holder("batch/v1", "Job", once, near), "RESTART", "Never"), says},
		"CronJob": {strings.ReplaceAll(holder("batch/v1", "CronJob", `{schedule: "@daily", jobTemplate: {spec: {template: %s}}}`, near), "RESTART", "Never"),
			says},
		"right":             {pod("annotations", "profiles.nodegate.dev"), ""},
		"another":           {pod("annotations", "example.com/profile"), ""},
		"Deployment, right": {deployment("profiles.nodegate.dev/pod"), ""},
		"no annotations":    {`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}`, ""},
	} {
		got := create(tc.manifest, "--warnings-as-errors")
		if (got == "<nil>") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %s, want %q", name, got, tc.want)
		}
		if got := create(tc.manifest); got != "<nil>" {
			t.Errorf("%s is held up: %s", name, got)
		}
	}
}
