// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// Containers keep what the wrapper gave them while the agent is away and when another
// one has come, also in processes that are exec'd then. The next agent leaves the
// records of those alone that are not started yet. With the containers their records
// and acknowledgements go.
func TestWrappedAgentRestarts(t *testing.T) {
	for _, version := range []string{node.DefaultContainerd, "1.7.35"} {
		t.Run(version, func(t *testing.T) {
			n, w := wrappedNode(t, node.Options{Containerd: version})
			g, agent := startAgent(t, n, "[profiles.no-raw]\ncapabilities.drop = [\"NET_RAW\"]\n"+grantApart("mknod", "no-raw"))
			w.exempt(t, g.State)
			facts := map[string][]fact{"mknod": {has(capMknod)}, "no-raw": {lacks(capNetRaw)}}
			pods := []*node.Pod{}
			containers := map[*node.Container][]fact{}
			waiting := map[*node.Container]*node.Pod{} // created, and not started
			for _, uid := range []int64{0, 1000} {
				for name, facts := range facts {
					config := node.ContainerConfig{Name: name, RunAsUser: &uid, RunAsGroup: &uid}
					if name == "mknod" {
						config.DropCapabilities = []string{"ALL"}
					} else {
						config.AddCapabilities = []string{"NET_RAW"}
					}
					p := runPod(t, n, node.PodConfig{Namespace: "ci", Handler: wrapped, Annotations: askForEach(name)})
					pods = append(pods, p)
					containers[runContainer(t, p, config)] = facts
					p = runPod(t, n, node.PodConfig{Namespace: "ci", Handler: wrapped, Annotations: askForEach(name)})
					c, err := p.CreateContainer(t.Context(), config)
					must(t, err)
					pods, waiting[c] = append(pods, p), p
				}
			}
			holds := func(when string) {
				t.Helper()
				for c, facts := range containers {
					if err := check(t.Context(), c, facts); err != nil {
						t.Errorf("%s, %s: container %q of uid %d %v", version, when, c.Config.Name, *c.Config.RunAsUser, err)
					}
				}
			}
			holds("with the agent")
			must(t, agent.Kill())
			holds("without an agent")
			g.Start(t)
			for c, p := range waiting {
				must(t, p.StartContainer(t.Context(), c))
				containers[c] = facts[c.Config.Name]
			}
			holds("with the next agent")

			files := func() int { return len(entries(t, filepath.Join(g.State, "decisions"))) }
			if want := 2 * len(containers); files() != want {
				t.Errorf("%d records and acknowledgements of %d containers: %q", files(), len(containers), g.records(t))
			}
			for c := range containers {
				before := files()
				must(t, c.Remove(t.Context()))
				if files() != before-2 {
					t.Errorf("removing a container left %q", g.records(t))
				}
			}
			remove(t, pods...)
		})
	}
}
