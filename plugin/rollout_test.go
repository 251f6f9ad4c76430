// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/policy"
)

const (
	fleetAgents     = 200
	fleetContainers = 12 // of each agent
)

// The policy of a fleet, and the one that replaces it: namespace ci loses ping and gains
// no-mknod, and namespace new is granted what it asks for.
const (
	fleetOld = `version = 1
[[grants]]
namespaces = ["ci"]
profiles = ["ping"]
`
	fleetNew = `version = 1
[[grants]]
namespaces = ["ci"]
profiles = ["no-mknod"]
[[grants]]
namespaces = ["new"]
profiles = ["ping"]
`
)

// agent is one of a fleet, and the events of its last round by container.
type agent struct {
	*Plugin
	mu   sync.Mutex
	told map[string]string
}

// fleetAgent is a real plugin with records of its own.
func fleetAgent(t *testing.T) *agent {
	a := &agent{Plugin: newTestPlugin(t, t.TempDir()), told: map[string]string{}}
	a.policy.Store(parsed(t, fleetOld))
	a.Observe(func(_ context.Context, e *event.Event) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if e.Result == event.Adjusted || e.Result == event.Refused {
			a.told[e.Container] = fmt.Sprint(e.Result, " ", e.Profiles, " ", e.Text, " by ", e.Policy)
		}
	})
	return a
}

// fleetRequest is what container number i of an agent asks for.
func fleetRequest(round string, i int) (*api.PodSandbox, *api.Container) {
	pod := testPod([]string{"ping", "no-mknod", "no-mknod"}[i%3])
	pod.Namespace = []string{"ci", "ci", "new", "free"}[i%4]
	if pod.Namespace == "free" {
		pod.Annotations = nil
	}
	ctr := testContainer(fmt.Sprint(round, "-", i))
	ctr.Name = fmt.Sprint("c", i)
	return pod, ctr
}

// round creates all containers of an agent and returns what came of each: what the runtime
// was answered, and what was told.
func (a *agent) round(ctx context.Context, name string) (answered, told map[string]string) {
	a.mu.Lock()
	a.told = map[string]string{}
	a.mu.Unlock()
	answered = map[string]string{}
	for i := range fleetContainers {
		pod, ctr := fleetRequest(name, i)
		adjust, _, err := a.CreateContainer(ctx, pod, ctr)
		switch {
		case err != nil:
			answered[ctr.Name] = "refused"
		case adjust != nil:
			answered[ctr.Name] = "adjusted"
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return answered, maps.Clone(a.told)
}

// A new policy comes to a fleet in audit mode first, while containers start. What the
// agents tell then, and nothing is done of, is what each of them does once it is enforced.
func TestRolloutOfFleet(t *testing.T) {
	needRoot(t)
	before, audit, after := parsed(t, fleetOld), parsed(t, `mode = "audit"`+"\n"+fleetNew), parsed(t, fleetNew)
	agents := make([]*agent, fleetAgents)
	for i := range agents {
		agents[i] = fleetAgent(t)
	}
	all := func(do func(i int, a *agent)) {
		var group sync.WaitGroup
		for i, a := range agents {
			group.Go(func() { do(i, a) })
		}
		group.Wait()
	}
	// Rounds run while a policy comes: each container is decided about by one of the two.
	during := func(next *policy.Policy, name string) {
		all(func(i int, a *agent) {
			var rounds sync.WaitGroup
			rounds.Go(func() {
				_, told := a.round(t.Context(), name)
				for c, what := range told {
					if !byOneOf(what, before, audit, after) {
						t.Errorf("agent %d, %s: %s", i, c, what)
					}
				}
			})
			a.SetPolicy(t.Context(), next)
			rounds.Wait()
		})
	}
	expect := func(name string, want map[string]int) []map[string]string {
		out := make([]map[string]string, len(agents))
		all(func(i int, a *agent) {
			answered, told := a.round(t.Context(), name)
			out[i] = told
			got := map[string]int{}
			for _, what := range answered {
				got[what]++
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s: agent %d answered %v, want %v", name, i, got, want)
			}
		})
		return out
	}
	expect("old", map[string]int{"adjusted": 2, "refused": 7})
	during(audit, "to audit")
	// In audit mode the runtime is answered nothing at all.
	foretold := expect("audit", map[string]int{})
	during(after, "to enforce")
	became := expect("new", map[string]int{"adjusted": 5, "refused": 4})
	for i := range agents {
		if len(became[i]) != 9 || !slices.Equal(withoutHash(foretold[i]), withoutHash(became[i])) {
			t.Fatalf("agent %d foretold %v, and did %v", i, foretold[i], became[i])
		}
	}
}

func byOneOf(what string, policies ...*policy.Policy) bool {
	return slices.ContainsFunc(policies, func(p *policy.Policy) bool {
		hash := " by " + p.Hash()
		return len(what) > len(hash) && what[len(what)-len(hash):] == hash
	})
}

// withoutHash are the lines of a round, without the policy by which they came.
func withoutHash(told map[string]string) []string {
	var out []string
	for c, what := range told {
		out = append(out, c+" "+what[:len(what)-len(" by ")-12])
	}
	slices.Sort(out)
	return out
}
