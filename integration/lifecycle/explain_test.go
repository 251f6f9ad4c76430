// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// What explain says of live containers is what they have: adjusted by NRI, in pods with
// and without a user namespace, and by the wrapper; older than the agent or the policy;
// and after the policy has changed.
func TestExplainLive(t *testing.T) {
	n, w := it.WrappedNode(t, node.Options{})
	rich := `
[profiles.box]
tmpfs = ["/run"]
env = { container = "oci" }
device_cgroup_rules = ["c 188:* rw"]
` + it.GrantApart("fuse", "ping", "no-mknod", "box", "mknod", "systemd")
	g := it.NewGate(t, n, rich)
	w.Exempt(t, g.State)
	early := it.Run(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskFor("box")}, node.ContainerConfig{})

	g.Start(t)
	all := it.AskFor("fuse, ping, no-mknod, box")
	containers := map[string]*node.Container{
		"plain":          it.Run(t, n, node.PodConfig{Namespace: "ci", Annotations: all}, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault}),
		"user namespace": it.Run(t, n, node.PodConfig{Namespace: "ci", Annotations: all, UserNamespace: true}, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault}),
		"systemd":        it.Run(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskFor("systemd"), UserNamespace: true}, node.ContainerConfig{}),
		"wrapped": it.Run(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskFor("mknod, box"), Handler: it.Wrapped},
			node.ContainerConfig{DropCapabilities: []string{"ALL"}}),
	}
	for name, c := range containers {
		e := g.ExplainJSON(t, c)
		if e.Result != "adjusted" || len(e.Missing()) > 0 || len(e.Live.Older) > 0 || len(e.Changes) < 3 ||
			e.Live.State != "it was adjusted when it was created" || !slices.Equal(e.Profiles, e.Live.Profiles) {
			t.Errorf("%s: %+v", name, e)
		}
		text, err := g.Explain(t, c.ID[:12], "-o", "diff")
		if err != nil || strings.Contains(text, "@@") {
			t.Errorf("%s has all of it, and yet: %v\n%s", name, err, text)
		}
	}

	// One that is older than the agent lacks all.
	e := g.ExplainJSON(t, early)
	if missing := e.Missing(); e.Result != "adjusted" || len(missing) != len(e.Changes) || len(missing) != 3 || !strings.Contains(e.Live.State, "no agent was connected") {
		t.Errorf("older than the agent: %+v", e)
	}
	text, err := g.Explain(t, "containerd://"+early.ID, "-o", "diff")
	if err != nil || !strings.Contains(text, `+      "container=oci"`) || !strings.Contains(text, "--- before (as it runs)") || strings.Contains(text, "\x1b[") {
		t.Errorf("older than the agent: %v\n%s", err, text)
	}

	// Another policy: what it gives is missing, what it does not give is older.
	g.Write(t, `
[profiles.more]
env = { more = "yes" }
[profiles.box]
tmpfs = ["/run", "/tmp"]
env = { container = "oci" }
[[grants]]
profiles = ["more", "box"]
namespaces = ["ci"]
apply = "always"
`+it.GrantApart("fuse", "no-mknod", "mknod"))
	e = g.ExplainJSON(t, containers["wrapped"])
	if got := strings.Join(e.Missing(), "\n"); e.Result != "adjusted" || !strings.Contains(got, "process.env = more=yes") || !strings.Contains(got, "/tmp") || strings.Contains(got, "container=oci") || strings.Contains(got, "MKNOD") {
		t.Errorf("another policy: missing\n%s", got)
	}
	e = g.ExplainJSON(t, containers["plain"])
	if e.Result != "refused" || !strings.Contains(e.Refusal.Text, `asks for profile "ping"`) || !slices.Contains(e.Live.Older, `profile "ping"`) ||
		!slices.ContainsFunc(e.Live.Older, func(s string) bool { return strings.HasPrefix(s, "linux.sysctl = net.ipv4.ping_group_range") }) {
		t.Errorf("a policy that refuses it: %+v", e)
	}
	if text, err := g.Explain(t, early.ID); err != nil || !strings.Contains(text, "of this node\n") || !strings.Contains(text, "missing") {
		t.Errorf("%v\n%s", err, text)
	}

	for id, want := range map[string]string{
		"c0ffee-none":   `the runtime has no container whose id begins with "c0ffee-none"`,
		"containerd://": `containers have an id that begins with "": write more of it`,
	} {
		if _, err := g.Explain(t, id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// Without a runtime, explain goes by the newest that is tested here.
func TestExplainNewest(t *testing.T) {
	if want := "containerd/" + node.DefaultContainerd; runtimes.Newest != want {
		t.Errorf("runtimes.Newest is %q, want %q", runtimes.Newest, want)
	}
}

// What explain says of a manifest on this node is what its agent does: the same
// refusals, and the version of the runtime that answers.
func TestExplainAsTheAgentDoes(t *testing.T) {
	n := it.SharedNode(t)
	g, _ := it.StartAgent(t, n, it.GrantApart("fuse", "mknod"))
	for ask, want := range map[string]string{"mknod": "cannot carry", "kvm": "which is not granted", "fuse": ""} {
		for _, userns := range []bool{false, true} {
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskFor(ask), UserNamespace: userns})
			manifest := g.Config + ".yaml"
			it.Must(t, os.WriteFile(manifest, fmt.Appendf(nil, "kind: Pod\nmetadata: {name: %s, namespace: ci, annotations: {profiles.nodegate.dev: %s}}\nspec: {hostUsers: %v, containers: [{name: main}]}\n",
				p.Config.Name, ask, !userns), 0o600))
			cmd := n.Command(g.Binary, "explain", "--config", g.Config, "--runtime-endpoint", "unix://"+n.CRISocket(), "-f", manifest)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "of this node\n") {
				t.Fatalf("%v: %s", err, out)
			}
			if want == "" {
				it.RunContainer(t, p, node.ContainerConfig{})
				if !strings.Contains(string(out), `container "main": adjusted, gets fuse`) {
					t.Errorf("%s: %s", ask, out)
				}
				continue
			}
			sentence := "nodegate: " + it.Refusal(t, p, node.ContainerConfig{})
			if !strings.Contains(string(out), sentence) || !strings.Contains(sentence, want) {
				t.Errorf("the agent says\n%s\nand explain\n%s", sentence, out)
			}
		}
	}
}
