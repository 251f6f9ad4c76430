// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package wrapper

import (
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// Containers keep what the wrapper gave them while the agent is away and when another
// one has come, also in processes that are exec'd then. The next agent leaves the
// records of those alone that are not started yet. With the containers their records
// and acknowledgements go.
func TestWrappedAgentRestarts(t *testing.T) {
	for _, version := range []string{node.DefaultContainerd, "1.7.35"} {
		t.Run(version, func(t *testing.T) {
			n, w := it.WrappedNode(t, node.Options{Containerd: version})
			g, agent := it.StartAgent(t, n, "[profiles.no-raw]\ncapabilities.drop = [\"NET_RAW\"]\n"+it.GrantApart("mknod", "no-raw"))
			w.Exempt(t, g.State)
			facts := map[string][]it.Fact{"mknod": {it.Has(it.CapMknod)}, "no-raw": {it.Lacks(it.CapNetRaw)}}
			pods := []*node.Pod{}
			containers := map[*node.Container][]it.Fact{}
			waiting := map[*node.Container]*node.Pod{} // created, and not started
			for _, uid := range []int64{0, 1000} {
				for name, facts := range facts {
					config := node.ContainerConfig{Name: name, RunAsUser: &uid, RunAsGroup: &uid}
					if name == "mknod" {
						config.DropCapabilities = []string{"ALL"}
					} else {
						config.AddCapabilities = []string{"NET_RAW"}
					}
					p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, Annotations: it.AskForEach(name)})
					pods = append(pods, p)
					containers[it.RunContainer(t, p, config)] = facts
					p = it.RunPod(t, n, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, Annotations: it.AskForEach(name)})
					c, err := p.CreateContainer(t.Context(), config)
					it.Must(t, err)
					pods, waiting[c] = append(pods, p), p
				}
			}
			holds := func(when string) {
				t.Helper()
				for c, facts := range containers {
					if err := it.Check(t.Context(), c, facts); err != nil {
						t.Errorf("%s, %s: container %q of uid %d %v", version, when, c.Config.Name, *c.Config.RunAsUser, err)
					}
				}
			}
			holds("with the agent")
			it.Must(t, agent.Kill())
			holds("without an agent")
			g.Start(t)
			for c, p := range waiting {
				it.Must(t, p.StartContainer(t.Context(), c))
				containers[c] = facts[c.Config.Name]
			}
			holds("with the next agent")

			files := func() int { return len(it.Entries(t, filepath.Join(g.State, "decisions"))) }
			if want := 2 * len(containers); files() != want {
				t.Errorf("%d records and acknowledgements of %d containers: %q", files(), len(containers), g.RecordIDs(t))
			}
			for c := range containers {
				before := files()
				it.Must(t, c.Remove(t.Context()))
				if files() != before-2 {
					t.Errorf("removing a container left %q", g.RecordIDs(t))
				}
			}
			it.Remove(t, pods...)
		})
	}
}
