// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/serve"
)

// audited reads the audit log.
func audited(t *testing.T, name string) []event.Event {
	t.Helper()
	text, err := os.ReadFile(name)
	it.Must(t, err)
	var all []event.Event
	for line := range strings.Lines(string(text)) {
		var o event.Event
		it.Must(t, json.Unmarshal([]byte(line), &o))
		all = append(all, o)
	}
	return all
}

// What an agent says of itself, by each way that there is, on a node that works: a
// container is adjusted, one refused, one older than the agent, and one older than the
// policy.
func TestServing(t *testing.T) {
	it.NeedFuse(t)
	n := it.SharedNode(t)
	log := filepath.Join(n.Dir(), "audit.log")
	const grant = "[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [\"fuse\"]\n"
	g := it.NewGate(t, n, "")
	head := "log.audit = \"" + log + "\"\n"
	g.Write(t, head+grant)
	if _, _, code := g.Status(t); code != 1 {
		t.Errorf("without an agent status exits with %d", code)
	}
	old := it.Run(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskFor("fuse")}, node.ContainerConfig{})
	agent := g.Start(t)

	c := it.Run(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskFor("fuse")}, node.ContainerConfig{})
	plain := it.Run(t, n, node.PodConfig{Namespace: "free"}, node.ContainerConfig{})
	it.Refusal(t, it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskFor("kvm")}), node.ContainerConfig{})
	s, _, code := g.Status(t, "-o", "json", "--strict")
	if !s.Ready || code != 1 || !strings.HasPrefix(s.Runtime, "containerd ") || s.Registrations != 1 {
		t.Errorf("exit code %d, %+v", code, s)
	}
	if s.Containers != (serve.Containers{All: 3, Adjusted: 1, Outdated: 1}) || s.Decisions != (serve.Decisions{Adjusted: 1, Refused: 1, Unmatched: 1}) {
		t.Errorf("%+v, %+v", s.Containers, s.Decisions)
	}
	if len(s.Outdated) != 1 || s.Outdated[0].ContainerID != old.ID || len(s.Refusals) != 1 || s.Refusals[0].Code != "not_granted" {
		t.Errorf("outdated %+v, refusals %+v", s.Outdated, s.Refusals)
	}
	if _, table, code := g.Status(t); code != 0 || !strings.Contains(table, "runs without fuse as today's policy would give it") || strings.Contains(table, "DIFFERS") {
		t.Errorf("exit code %d:\n%s", code, table)
	}

	// The container that is older than the agent goes, and is no longer listed. Another
	// policy comes, to which one is too old.
	it.Must(t, old.Remove(t.Context()))
	g.Write(t, head+grant+"[[grants]]\nnamespaces = [\"free\"]\nprofiles = [\"no-mknod\"]\napply = \"always\"\n")
	it.WaitLogged(t, agent, "policy replaced", 1)
	s, _, _ = g.Status(t, "-o", "json")
	if len(s.Outdated) != 1 || s.Outdated[0].ContainerID != plain.ID {
		t.Errorf("outdated %+v", s.Outdated)
	}
	if _, _, code := g.Status(t, "--strict"); code != 1 {
		t.Errorf("--strict exits with %d", code)
	}

	// One with errors comes: the agent stays in service, and says so.
	g.Write(t, head+"[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [\"nothing\"]\n")
	it.WaitLogged(t, agent, "the new policy has errors", 1)
	bad, table, code := g.Status(t)
	if code != 0 || !strings.Contains(table, "NOT RELOADED") || !strings.Contains(table, "DIFFERS: the agent has policy "+s.Policy.Hash) {
		t.Errorf("exit code %d, %+v:\n%s", code, bad, table)
	}
	expectMetrics(t, g, `nodegate_policy_reload_failed 1`, `nodegate_registered 1`, `nodegate_containers 2`, `nodegate_containers_outdated 1`,
		`nodegate_containers_found_outdated_total 2`, `nodegate_decisions_total{namespace="ci",result="adjusted"} 1`,
		`nodegate_profiles_given_total{namespace="ci",profile="fuse"} 1`, `nodegate_refusals_total{reason="not_granted"} 1`, `nodegate_records 1`,
		`nodegate_policy_reloads_total{result="replaced"} 1`, `nodegate_policy_info{hash="`+s.Policy.Hash+`",mode="enforce"} 1`)

	all := audited(t, log)
	var got []string
	for _, o := range all {
		got = append(got, string(o.Result)+" "+o.Namespace)
	}
	if want := "outdated ci, adjusted ci, refused ci, outdated free"; strings.Join(got, ", ") != want {
		t.Errorf("audited %q, want %q", got, want)
	}
	if o := all[1]; o.ContainerID != c.ID || o.Asked != "fuse" || o.Policy == "" || strings.Join(o.Changes, "") != "device /dev/fuse rw" {
		t.Errorf("%+v", o)
	}
	// The log tells the same.
	if said := strings.Count(agent.Log(), "runs without "); said != 2 {
		t.Errorf("the log names %d outdated containers, want 2", said)
	}
}

// expectMetrics compares lines of /metrics.
func expectMetrics(t *testing.T, g *it.Gate, want ...string) {
	t.Helper()
	text := g.Ask(t, "/metrics")
	for _, line := range want {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no metric %s", line)
		}
	}
}
