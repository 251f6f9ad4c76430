// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin"
)

// explained is what "nodegate explain --id … -o json" says of one container.
type explained struct {
	Result   string
	Profiles []string
	Refusal  struct{ Text string }
	Changes  []struct{ Field, Change, By, Has string }
	Live     struct {
		State           string
		Profiles, Older []string
	}
}

// lacking are the changes that the container does not have.
func (e *explained) lacking() (out []string) {
	for _, c := range e.Changes {
		if c.Has != "given" {
			out = append(out, c.Field+" "+c.Change)
		}
	}
	return out
}

// explain runs the command on a container of the node.
func (g *gate) explain(t *testing.T, id string, flags ...string) (string, error) {
	t.Helper()
	args := append([]string{"explain", "--config", g.Config, "--runtime-endpoint", "unix://" + g.Node.CRISocket(), "--id", id}, flags...)
	cmd := g.Node.Command(g.binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, errs.String())
	}
	return out.String(), nil
}

func (g *gate) explainJSON(t *testing.T, c *node.Container) explained {
	t.Helper()
	text, err := g.explain(t, c.ID, "-o", "json")
	must(t, err)
	var r struct {
		Pods []struct{ Containers []explained }
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil || len(r.Pods) != 1 || len(r.Pods[0].Containers) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	return r.Pods[0].Containers[0]
}

// What explain says of live containers is what they have: adjusted by NRI, in pods with
// and without a user namespace, and by the wrapper; older than the agent or the policy;
// and after the policy has changed.
func TestExplainLive(t *testing.T) {
	n, w := wrappedNode(t, node.Options{})
	rich := `
[profiles.box]
tmpfs = ["/run"]
env = { container = "oci" }
device_cgroup_rules = ["c 188:* rw"]
` + grantApart("fuse", "ping", "no-mknod", "box", "mknod", "systemd")
	g := newGate(t, n, rich)
	w.exempt(t, g.State)
	early := run(t, n, node.PodConfig{Namespace: "ci", Annotations: askFor("box")}, node.ContainerConfig{})

	g.Start(t)
	all := askFor("fuse, ping, no-mknod, box")
	containers := map[string]*node.Container{
		"plain":          run(t, n, node.PodConfig{Namespace: "ci", Annotations: all}, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault}),
		"user namespace": run(t, n, node.PodConfig{Namespace: "ci", Annotations: all, UserNamespace: true}, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault}),
		"systemd":        run(t, n, node.PodConfig{Namespace: "ci", Annotations: askFor("systemd"), UserNamespace: true}, node.ContainerConfig{}),
		"wrapped": run(t, n, node.PodConfig{Namespace: "ci", Annotations: askFor("mknod, box"), Handler: wrapped},
			node.ContainerConfig{DropCapabilities: []string{"ALL"}}),
	}
	for name, c := range containers {
		e := g.explainJSON(t, c)
		if e.Result != "adjusted" || len(e.lacking()) > 0 || len(e.Live.Older) > 0 || len(e.Changes) < 3 ||
			e.Live.State != "it was adjusted when it was created" || !slices.Equal(e.Profiles, e.Live.Profiles) {
			t.Errorf("%s: %+v", name, e)
		}
		text, err := g.explain(t, c.ID[:12], "-o", "diff")
		if err != nil || strings.Contains(text, "@@") {
			t.Errorf("%s has all of it, and yet: %v\n%s", name, err, text)
		}
	}

	// One that is older than the agent lacks all.
	e := g.explainJSON(t, early)
	if lacking := e.lacking(); e.Result != "adjusted" || len(lacking) != len(e.Changes) || len(lacking) != 3 || !strings.Contains(e.Live.State, "no agent was connected") {
		t.Errorf("older than the agent: %+v", e)
	}
	text, err := g.explain(t, "containerd://"+early.ID, "-o", "diff")
	if err != nil || !strings.Contains(text, `+      "container=oci"`) || !strings.Contains(text, "--- before (as it runs)") || strings.Contains(text, "\x1b[") {
		t.Errorf("older than the agent: %v\n%s", err, text)
	}

	// Another policy: what it gives is lacking, what it does not give is older.
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
`+grantApart("fuse", "no-mknod", "mknod"))
	e = g.explainJSON(t, containers["wrapped"])
	if got := strings.Join(e.lacking(), "\n"); e.Result != "adjusted" || !strings.Contains(got, "process.env = more=yes") || !strings.Contains(got, "/tmp") || strings.Contains(got, "container=oci") || strings.Contains(got, "MKNOD") {
		t.Errorf("another policy: lacking\n%s", got)
	}
	e = g.explainJSON(t, containers["plain"])
	if e.Result != "refused" || !strings.Contains(e.Refusal.Text, `asks for profile "ping"`) || !slices.Contains(e.Live.Older, `profile "ping"`) ||
		!slices.ContainsFunc(e.Live.Older, func(s string) bool { return strings.HasPrefix(s, "linux.sysctl = net.ipv4.ping_group_range") }) {
		t.Errorf("a policy that refuses it: %+v", e)
	}
	if text, err := g.explain(t, early.ID); err != nil || !strings.Contains(text, "of this node\n") || !strings.Contains(text, "lacking") {
		t.Errorf("%v\n%s", err, text)
	}

	for id, want := range map[string]string{
		"c0ffee-none":   `the runtime has no container whose id begins with "c0ffee-none"`,
		"containerd://": `containers have an id that begins with "": write more of it`,
	} {
		if _, err := g.explain(t, id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// Without a runtime, explain goes by the newest that is tested here.
func TestExplainNewest(t *testing.T) {
	if want := "containerd/" + node.DefaultContainerd; plugin.NewestRuntime != want {
		t.Errorf("plugin.NewestRuntime is %q, want %q", plugin.NewestRuntime, want)
	}
}

// What explain says of a manifest on this node is what its agent does: the same
// refusals, and the version of the runtime that answers.
func TestExplainAsTheAgentDoes(t *testing.T) {
	n := sharedNode(t)
	g, _ := startAgent(t, n, grantApart("fuse", "mknod"))
	for ask, want := range map[string]string{"mknod": "cannot carry", "kvm": "which is not granted", "fuse": ""} {
		for _, userns := range []bool{false, true} {
			p := runPod(t, n, node.PodConfig{Namespace: "ci", Annotations: askFor(ask), UserNamespace: userns})
			manifest := g.Config + ".yaml"
			must(t, os.WriteFile(manifest, fmt.Appendf(nil, "kind: Pod\nmetadata: {name: %s, namespace: ci, annotations: {profiles.nodegate.dev: %s}}\nspec: {hostUsers: %v, containers: [{name: main}]}\n",
				p.Config.Name, ask, !userns), 0o600))
			cmd := n.Command(g.binary, "explain", "--config", g.Config, "--runtime-endpoint", "unix://"+n.CRISocket(), "-f", manifest)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "of this node\n") {
				t.Fatalf("%v: %s", err, out)
			}
			if want == "" {
				runContainer(t, p, node.ContainerConfig{})
				if !strings.Contains(string(out), `container "main": adjusted, gets fuse`) {
					t.Errorf("%s: %s", ask, out)
				}
				continue
			}
			sentence := "nodegate: " + refusal(t, p, node.ContainerConfig{})
			if !strings.Contains(string(out), sentence) || !strings.Contains(sentence, want) {
				t.Errorf("the agent says\n%s\nand explain\n%s", sentence, out)
			}
		}
	}
}
