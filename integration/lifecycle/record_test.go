// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin/record"
)

// A container's record is root's alone, and is there as long as the container.
func TestLifecycleRecord(t *testing.T) {
	it.NeedFuse(t)
	n := it.StartNode(t, node.Options{})
	g, _ := it.StartAgent(t, n, grantOneOfEach+"[profiles.nowhere]\ncdi_devices = [\"example.com/none=x\"]\n"+
		"[[grants]]\nnamespaces = [\"default\"]\nprofiles = [\"nowhere\"]\n")
	pod := it.RunPod(t, n, node.PodConfig{UserNamespace: true, Annotations: it.AskFor(oneOfEach)})
	one := it.RunContainer(t, pod, node.ContainerConfig{Name: "one"})
	two := it.RunContainer(t, pod, node.ContainerConfig{Name: "two"})
	both := []*node.Container{one, two}
	g.ExpectLeft(t, both, both)
	it.ExpectOwnRecord(t, g, one)
	for path, want := range map[string]os.FileMode{
		filepath.Join(g.State, "decisions"):                 0o700 | os.ModeDir,
		filepath.Join(g.State, "decisions", one.ID+".json"): 0o600,
		g.Shadows:                        0o711 | os.ModeDir,
		filepath.Join(g.Shadows, one.ID): 0o710 | os.ModeDir,
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s has mode %v, want %v and uid 0", path, info.Mode(), want)
		}
	}
	// One that ended keeps its own until it is removed.
	if _, err := n.CRI().StopContainer(t.Context(), it.StopRequest(one)); err != nil {
		t.Fatal(err)
	}
	g.ExpectLeft(t, both, both)
	if err := one.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.ExpectLeft(t, both[1:], both[1:])
	expectAll(t, two)

	t.Run("does not start", func(t *testing.T) {
		c, err := pod.CreateContainer(t.Context(), node.ContainerConfig{Name: "three", Command: []string{"/none"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := pod.StartContainer(t.Context(), c); err == nil {
			t.Error("a program that is not there was started")
		}
		if err := c.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.ExpectLeft(t, both[1:], both[1:])
	})
	t.Run("is not created", func(t *testing.T) {
		failing := it.RunPod(t, n, node.PodConfig{Annotations: it.AskFor("ping,nowhere")})
		_, err := failing.CreateContainer(t.Context(), node.ContainerConfig{})
		if err == nil || !strings.Contains(err.Error(), "example.com/none=x") {
			t.Fatalf("a CDI device that is not there: %v", err)
		}
		it.Remove(t, failing)
		g.ExpectLeft(t, both[1:], both[1:])
	})
	it.Remove(t, pod)
	g.ExpectLeft(t, nil, nil)
}

// A pod that writes the annotation by which two agents know each other's work is
// decided about all the same, also where the runtime passes its annotations on, and
// also with the nonce of another container.
func TestLifecycleForgedNonce(t *testing.T) {
	it.NeedFuse(t)
	n := it.StartNode(t, node.Options{ExtraConfig: `[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
pod_annotations = ["nodegate.dev/*"]
container_annotations = ["nodegate.dev/*"]
`})
	g, _ := it.StartAgent(t, n, grantOneOfEach+"[[grants]]\nnamespaces = [\"locked\"]\nprofiles = [\"no-mknod\"]\napply = \"always\"\n")
	victim := it.Run(t, n, node.PodConfig{Annotations: it.AskFor(oneOfEach)}, node.ContainerConfig{})
	stolen := it.SpecOf(t, victim).Annotations[record.Annotation]
	for name, nonce := range map[string]string{"invented": strings.Repeat("0", 32), "stolen": stolen, "odd": "../../" + stolen} {
		t.Run(name, func(t *testing.T) {
			forge := func(pod node.PodConfig) (*node.Pod, node.ContainerConfig) {
				if pod.Annotations == nil {
					pod.Annotations = map[string]string{}
				}
				pod.Annotations[record.Annotation] = nonce
				return it.RunPod(t, n, pod), node.ContainerConfig{Annotations: map[string]string{record.Annotation: nonce}}
			}
			plain, c := forge(node.PodConfig{Namespace: "free"})
			if got := it.SpecOf(t, it.RunContainer(t, plain, c)).Annotations[record.Annotation]; got != nonce {
				t.Fatalf("the runtime passes no annotation on, so this shows nothing: %q", got)
			}
			greedy, c := forge(node.PodConfig{Annotations: it.AskFor("kvm")})
			if got := it.Refusal(t, greedy, c); !strings.Contains(got, `"kvm", which is not granted`) {
				t.Errorf("refused with %q", got)
			}
			locked, c := forge(node.PodConfig{Namespace: "locked"})
			jailed := it.RunContainer(t, locked, c)
			it.Expect(t, jailed, "mknod b /disk 7 0", "EPERM")
			it.ExpectOwnRecord(t, g, jailed)
			granted, c := forge(node.PodConfig{UserNamespace: true, Annotations: it.AskFor(oneOfEach)})
			adjusted := it.RunContainer(t, granted, c)
			expectAll(t, adjusted)
			it.ExpectOwnRecord(t, g, adjusted)
			if got := it.SpecOf(t, adjusted).Annotations[record.Annotation]; got == nonce {
				t.Error("the forged nonce is in the spec of an adjusted container")
			}
		})
	}
}
