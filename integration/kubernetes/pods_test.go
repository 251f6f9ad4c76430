// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"strings"
	"testing"
)

// What a pod asks for it gets, where its namespace is granted it; else its events say so.
func TestPods(t *testing.T) {
	k := installed(t)
	k.namespace("ci")
	k.apply(manifest("ci", "fuse", `profiles.nodegate.dev: "fuse, ping"`, "hostUsers: false"))
	k.apply(manifest("ci", "wrapped", `profiles.nodegate.dev: fuse`, "hostUsers: false\n  runtimeClassName: nodegate"))
	k.apply(manifest("ci", "plain", `a: b`, ""))
	k.apply(manifest("ci", "greedy", `profiles.nodegate.dev: kvm`, ""))
	for _, pod := range []string{"fuse", "wrapped", "plain"} {
		k.ready("ci", pod)
	}
	for _, tc := range []struct{ pod, question, want string }{
		{"fuse", "open /dev/fuse rw", "ok"}, {"fuse", "ping 127.0.0.1", "reply from 127.0.0.1"}, {"fuse", "open /dev/kvm rw", "ENOENT"},
		{"wrapped", "open /dev/fuse rw", "ok"}, {"plain", "open /dev/fuse rw", "ENOENT"},
	} {
		if got := k.probe("ci", tc.pod, tc.question); got != tc.want {
			t.Errorf("%s: %s: %s, want %s", tc.pod, tc.question, got, tc.want)
		}
	}
	const want = `nodegate: container "app" of pod ci/greedy asks for profile "kvm", which is not granted in namespace "ci" (granted there: fuse, ping) [not_granted]`
	if got := k.refused("ci", "greedy"); got != want {
		t.Errorf("refused with\n%s, want\n%s", got, want)
	}
	if got := k.do("-n", "ci", "get", "pod", "greedy", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}"); got != "CreateContainerError" {
		t.Errorf("the pod shows as %s", got)
	}
	if got := k.refusedAtApply(manifest("ci", "greedy", `profiles.nodegate.dev: kvm`, "")); !strings.Contains(got, want) {
		t.Errorf("admission says\n%s, and the agent\n%s", got, want)
	}
}

// Whoever may add an ephemeral container to a pod is its author: the container gets what
// the pod asks for as a whole, and not what it asks for on behalf of another container.
func TestEphemeralContainers(t *testing.T) {
	k := installed(t)
	k.namespace("recipes-ephemeral")
	k.apply(manifest("recipes-ephemeral", "whole", "profiles.nodegate.dev: fuse", "hostUsers: false"))
	k.apply(manifest("recipes-ephemeral", "one", "profiles.nodegate.dev/container.app: fuse", "hostUsers: false"))
	for pod, want := range map[string]string{"whole": "ok", "one": "ENOENT"} {
		k.ready("recipes-ephemeral", pod)
		k.do("-n", "recipes-ephemeral", "debug", pod, "--image="+probe, "--image-pull-policy=Never", "--container=added", "--profile=general", "--", "/probe", "pause")
		k.eventually("the container", func() error {
			_, err := k.Kubectl(t.Context(), "-n", "recipes-ephemeral", "exec", pod, "-c", "added", "--", "/probe", "id")
			return err
		})
		if got := k.exec("recipes-ephemeral", pod, "/probe", "open", "/dev/fuse", "rw"); got != "ok" {
			t.Errorf("%s: the pod's own container: %s", pod, got)
		}
		out, _ := k.Kubectl(t.Context(), "-n", "recipes-ephemeral", "exec", pod, "-c", "added", "--", "/probe", "open", "/dev/fuse", "rw")
		if got := strings.TrimSpace(out); got != want {
			t.Errorf("%s: the added container: %s, want %s", pod, got, want)
		}
	}
}

// Pods that were written for other tools get what a grant accepts of them.
func TestMigratedOnKubernetes(t *testing.T) {
	k := installed(t)
	k.namespace("moved")
	k.namespace("free-moved")
	const fuse = `devices.noderesource.dev/container.app: "- {path: /dev/fuse, type: c, major: 10, minor: 229}"`
	k.apply(manifest("moved", "injected", fuse, "hostUsers: false"))
	k.apply(manifest("moved", "gke", `devices.gke.io/container.app: "- path: /dev/kvm"`, "hostUsers: false"))
	k.apply(manifest("free-moved", "injected", fuse, "hostUsers: false"))
	for _, tc := range []struct{ namespace, want string }{{"moved", "ok"}, {"free-moved", "ENOENT"}} {
		k.ready(tc.namespace, "injected")
		if got := k.probe(tc.namespace, "injected", "open /dev/fuse rw"); got != tc.want {
			t.Errorf("in %s: %s, want %s", tc.namespace, got, tc.want)
		}
	}
	const want = `asks by its annotation "devices.gke.io/container.app" for device "/dev/kvm", which no profile offers that is granted in namespace "moved" to such annotations (offered there: /dev/fuse)`
	if got := k.refused("moved", "gke"); !strings.Contains(got, want) {
		t.Errorf("refused with %s", got)
	}
}
