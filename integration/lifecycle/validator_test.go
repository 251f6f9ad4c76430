// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"maps"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// validating is a node's default validator, with further keys.
func validating(keys ...string) string {
	return "[plugins.'io.containerd.nri.v1.nri'.default_validator]\nenable = true\n" + strings.Join(keys, "\n")
}

// requiresAgent is the annotation by which a pod requires the agent. What is added is
// the more specific form, which containerd takes before it.
func requiresAgent(more ...string) map[string]string {
	annotations := map[string]string{"required-plugins.noderesource.dev": `["nodegate"]`}
	for _, scope := range more {
		annotations["required-plugins.noderesource.dev/"+scope] = "[]"
	}
	return annotations
}

const notPresent = `required plugin "nodegate" not present`

// rejection runs a container that the validator has to refuse, with this in its sentence.
func rejection(t *testing.T, p *node.Pod, c node.ContainerConfig, want string) {
	t.Helper()
	_, err := p.RunContainer(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "validation error: ") || !strings.Contains(err.Error(), want) {
		t.Errorf("container %q: %v, want %q", c.Name, err, want)
	}
}

// A pod that requires the agent does not start without it, and starts, adjusted, once it
// is there; others start as they always did.
func TestValidatorRequiresAgent(t *testing.T) {
	for _, version := range []string{node.DefaultContainerd, "2.2.9"} {
		t.Run(version, func(t *testing.T) {
			n := it.StartNode(t, node.Options{Containerd: version, ExtraConfig: it.ShortTimeout + validating()})
			g := it.NewGate(t, n, it.GrantApart("fuse"))
			annotations := requiresAgent()
			maps.Copy(annotations, it.AskFor("fuse"))
			bound := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: annotations})
			mapped := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: annotations, UserNamespace: true})
			free := it.RunPod(t, n, node.PodConfig{Namespace: "ci"})

			it.Doctor(t, g).Expect(t, it.Said{"validator", "ok", "on"}, it.Said{"required-plugins", "ok", "none"})
			rejection(t, bound, node.ContainerConfig{Name: "before"}, notPresent)
			rejection(t, mapped, node.ContainerConfig{Name: "before"}, notPresent)
			it.RunContainer(t, free, node.ContainerConfig{Name: "before"})

			agent := g.Start(t)
			it.Expect(t, it.RunContainer(t, bound, node.ContainerConfig{Name: "with"}), "open /dev/fuse rw", "ok")
			it.Expect(t, it.RunContainer(t, mapped, node.ContainerConfig{Name: "with"}), "open /dev/fuse rw", "ok")

			it.Must(t, agent.Kill())
			late := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: annotations})
			for _, p := range []*node.Pod{late, bound, mapped} {
				rejection(t, p, node.ContainerConfig{Name: "after"}, notPresent)
			}
			g.Start(t)
			for _, p := range []*node.Pod{late, bound} {
				it.Expect(t, it.RunContainer(t, p, node.ContainerConfig{Name: "again"}), "open /dev/fuse rw", "ok")
			}
			it.Remove(t, late, bound, mapped)
		})
	}
}

// What the annotation does not hold against, as docs/security.md says: an author who
// writes a more specific one beside it.
func TestValidatorIsNoWall(t *testing.T) {
	for _, version := range []string{node.DefaultContainerd, "2.2.9"} {
		t.Run(version, func(t *testing.T) {
			n := it.StartNode(t, node.Options{Containerd: version, ExtraConfig: it.ShortTimeout + validating()})
			for _, scope := range []string{"container.main", "pod"} {
				p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: requiresAgent(scope)})
				it.RunContainer(t, p, node.ContainerConfig{Name: "main"})
			}

			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: requiresAgent("container.other")})
			rejection(t, p, node.ContainerConfig{Name: "main"}, notPresent)
		})
	}
}

// The validator lets nodegate's own changes pass, unless one of its reject_ keys names
// their kind; then the container is refused, nothing of it is left, and doctor names the
// key. What goes by the wrapper it does not see.
func TestValidatorRejects(t *testing.T) {
	cases := []struct {
		key, profile, want string
		c                  node.ContainerConfig
		mapped             bool
	}{
		{"reject_sysctl_adjustment", "ping", "restricted sysctl adjustment", node.ContainerConfig{}, false},
		{"reject_runtime_default_seccomp_adjustment", "no-mknod", "restricted runtime default seccomp policy", node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault}, false},
		{"reject_unconfined_seccomp_adjustment", "no-mknod", "unconfined seccomp policy", node.ContainerConfig{Seccomp: node.SeccompUnconfined}, false},
		{"reject_namespace_adjustment", "delegated", "restricted namespace adjustment", node.ContainerConfig{}, true},
		{"", "fuse", "", node.ContainerConfig{}, true},
	}
	policy := "runtime.handlers = []\n[profiles.delegated]\ncgroup = \"writable\"\n" + it.GrantApart("ping", "no-mknod", "delegated", "fuse")
	var keys []string
	for _, tc := range cases {
		if tc.key != "" {
			keys = append(keys, tc.key+" = true")
		}
	}
	for name, extra := range map[string]string{"on": validating(), "rejecting": validating(keys...)} {
		t.Run(name, func(t *testing.T) {
			n := it.StartNode(t, node.Options{ExtraConfig: extra})
			g, _ := it.StartAgent(t, n, policy)
			found := it.Doctor(t, g).Findings["validator"]
			for _, tc := range cases {
				pod := node.PodConfig{Namespace: "ci", Annotations: requiresAgent(), UserNamespace: tc.mapped}
				maps.Copy(pod.Annotations, it.AskFor(tc.profile))
				p := it.RunPod(t, n, pod)
				if name == "on" || tc.key == "" {
					it.RunContainer(t, p, tc.c)
					continue
				}
				rejection(t, p, tc.c, tc.want)
				if found.Status != "problem" || !strings.Contains(found.Found, tc.key) {
					t.Errorf("doctor does not name %s: %+v", tc.key, found)
				}
				it.Remove(t, p)
				if left := g.Left(); len(left) > 0 {
					t.Errorf("left of what was refused: %q", left)
				}
			}
		})
	}
}
