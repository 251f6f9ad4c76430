// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"maps"
	"strings"
	"syscall"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// A request that finds the agent hanging, or dead, is refused, although the runtime takes
// a plugin that does not answer for one that has nothing to say, and counts it as present.
func TestAnswerThatDoesNotArrive(t *testing.T) {
	it.NeedFuse(t)
	for _, version := range []string{node.DefaultContainerd, "2.2.9"} {
		t.Run(version, func(t *testing.T) {
			n := it.StartNode(t, node.Options{Containerd: version, ExtraConfig: it.ShortTimeout + validating()})
			const grant = "[[grants]]\nnamespaces = [\"default\"]\nprofiles = [\"fuse\"]\n"
			g, agent := it.StartAgent(t, n, "mode = \"audit\"\n"+grant)
			g.Write(t, grant) // from now on what it does not answer is refused
			it.WaitLogged(t, n.Containerd(), it.Connected, 2)
			annotations := requiresAgent()
			maps.Copy(annotations, it.AskFor("fuse"))
			required := it.RunPod(t, n, node.PodConfig{Annotations: annotations})
			free := it.RunPod(t, n, node.PodConfig{Annotations: it.AskFor("fuse")})
			refused := func(pod *node.Pod, want string) {
				t.Helper()
				if c, err := pod.RunContainer(t.Context(), node.ContainerConfig{}); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
					if err == nil {
						it.Must(t, c.Remove(t.Context()))
					}
				}
			}
			for _, pod := range []*node.Pod{required, free} {
				stop(t, agent)
				refused(pod, it.Unanswered)
				refused(required, notPresent)
				wake(t, n, agent)
			}
			it.Must(t, agent.Kill())
			refused(free, it.Unanswered)
			refused(required, notPresent)

			// Absent when it is created, and there when it is to start.
			c, err := free.CreateContainer(t.Context(), node.ContainerConfig{})
			it.Must(t, err)
			g.Start(t)
			err = free.StartContainer(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), `was created without fuse, which it should have got: no nodegate agent answered in time`) {
				t.Errorf("it starts: %v", err)
			}
			it.Must(t, c.Remove(t.Context()))
			for _, pod := range []*node.Pod{required, free} {
				it.Expect(t, it.RunContainer(t, pod, node.ContainerConfig{}), "open /dev/fuse rw", "ok")
			}
			it.Remove(t, required, free)
		})
	}
}

// wake lets a stopped agent go on, and waits until containerd asks it again.
func wake(t *testing.T, n *node.Node, agent *node.Process) {
	t.Helper()
	before := strings.Count(n.Containerd().Log(), it.Connected)
	it.Must(t, agent.Signal(syscall.SIGCONT))
	it.WaitLogged(t, n.Containerd(), it.Connected, before+1)
}
