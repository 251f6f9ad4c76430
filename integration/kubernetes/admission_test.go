// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"strings"
	"testing"
)

const required = "required-plugins.noderesource.dev"

// requires is what a pod would require once it is admitted.
func (k *kube) requires(namespace, annotations string) string {
	k.Helper()
	out, err := k.dryRun(namespace, annotations)
	if err != nil {
		return err.Error()
	}
	return out
}

func (k *kube) dryRun(namespace, annotations string) (string, error) {
	name := k.TempDir() + "/pod.yaml"
	write(k.T, name, manifest(namespace, "asked", annotations, ""))
	return k.Kubectl(k.Context(), "create", "--dry-run=server", "-f", name, "-o", `jsonpath={.metadata.annotations.required-plugins\.noderesource\.dev}`)
}

// Pods of granted namespaces require the agent, whatever their authors write.
func TestAdmission(t *testing.T) {
	k := installed(t)
	k.namespace("recipes-admission")
	k.namespace("free-admission")
	for annotations, want := range map[string]string{
		"":                                          `["nodegate"]`,
		required + `: ""`:                           `["nodegate"]`,
		required + `: "[]"`:                         `["nodegate"]`,
		required + `: '["other"]'`:                  `["other", "nodegate"]`,
		required + `: '["other", "nodegate"]'`:      `["other", "nodegate"]`,
		required + `: '["other", "nodegate\"]'`:     `must be a JSON list that has "nodegate"`,
		required + `: 'nodegate'`:                   `must be a JSON list that has "nodegate"`,
		required + `: '[["nodegate"]]'`:             `must be a JSON list that has "nodegate"`,
		required + `/pod: '[]'`:                     `the annotation ` + required + `/pod would let containers of this namespace run without their adjustment`,
		required + `/container.app: '[]'`:           `the annotation ` + required + `/container.app would let containers`,
		required + `/container.app: '["nodegate"]'`: `the annotation ` + required + `/container.app would let containers`,
	} {
		got := k.requires("recipes-admission", annotations)
		if got != want && (strings.HasPrefix(want, "[") || !strings.Contains(got, "nodegate: ") || !strings.Contains(got, want)) {
			t.Errorf("%q requires %q, want %q", annotations, got, want)
		}
	}
	if got := k.requires("free-admission", required+`/pod: '[]'`); got != "" {
		t.Errorf("a pod of no grant requires %q", got)
	}
	if got := k.requires(namespace, ""); got != "" {
		t.Errorf("a pod beside the agent requires %q", got)
	}

	k.apply(manifest("recipes-admission", "held", "", ""))
	k.ready("recipes-admission", "held")
	for _, change := range []string{required + "-", required + "=[]", required + "/pod=[]"} {
		if out, err := k.Kubectl(t.Context(), "-n", "recipes-admission", "annotate", "--overwrite", "pod", "held", change); err == nil || !strings.Contains(err.Error(), "nodegate: ") {
			t.Errorf("%s: %s, %v", change, out, err)
		}
	}
}

// While no agent is on the node, pods of granted namespaces do not start, and others do.
func TestAbsentAgent(t *testing.T) {
	k := installed(t)
	k.namespace("locked")
	k.namespace("free-absent")
	place := func(selector string) {
		k.do("-n", namespace, "patch", "daemonset", "nodegate", "--type=merge", "-p", `{"spec":{"template":{"spec":{"nodeSelector":`+selector+`}}}}`)
	}
	back := func() {
		place(`{"away":null}`)
		k.rollout()
	}
	place(`{"away":"yes"}`)
	defer back()
	k.eventually("the agent to be away", func() error {
		if n := len(k.agents()); n > 0 {
			return fmt.Errorf("%d agents", n)
		}
		return nil
	})
	k.apply(manifest("locked", "app", "", ""))
	k.apply(manifest("locked", "wrapped", "", "runtimeClassName: nodegate"))
	k.apply(manifest("free-absent", "app", "", ""))
	k.ready("free-absent", "app")
	for pod, want := range map[string]string{"app": "nodegate", "wrapped": "nodegate"} {
		k.eventually("a reason why "+pod+" does not start", func() error {
			events := k.get("-n", "locked", "get", "events", "--field-selector", "reason=Failed,involvedObject.name="+pod, "-o", `jsonpath={range .items[*]}{.message}{"\n"}{end}`)
			if !strings.Contains(events, want) {
				return fmt.Errorf("events: %s", events)
			}
			return nil
		})
	}
	back()
	// The kubelet tries again, with the agent there.
	for _, pod := range []string{"app", "wrapped"} {
		k.ready("locked", pod)
		if got := k.probe("locked", pod, "mknod c /tmp/null 1 3"); got != "EPERM" {
			t.Errorf("%s under no-mknod: %s", pod, got)
		}
	}
}
