// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/nodegate/nodegate/cmd/kubectl-nodegate/internal/fleet"
)

// Of a thousand nodes thirty hang. The others are shown, and at the end it is said who did
// not answer.
func TestManyNodes(t *testing.T) {
	f := serve(t, 1000)
	f.answer = func(node string, _ []string, _ io.Reader) (string, int) {
		if strings.HasSuffix(node, "7") && node < "node-0300" {
			return f.hang()
		}
		return isReady, 0
	}
	out, said, err := f.run(t, "status", "--node-timeout", "10s", "--parallel", "60")
	if err == nil || err.Error() != "30 of 1000 agents did not answer" {
		t.Errorf("ends with %v", err)
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 1001 {
		t.Fatalf("%d lines", len(lines))
	}
	if got := strings.Join(strings.Fields(lines[0]), " "); got != "NODE STATUS VERSION POLICY SINCE ADJUSTED REFUSED OUTDATED PROFILES RESOURCES" {
		t.Errorf("header %s", got)
	}
	if !strings.HasPrefix(lines[30], "node-0297   NoAnswer") || !strings.HasPrefix(lines[31], "node-0000   Ready      0.1.0     aaaaaaaaaaaa") {
		t.Errorf("not first those that need somebody:\n%s\n%s", lines[30], lines[31])
	}
	if !strings.HasPrefix(said, "node node-0007: no answer within 10s") || !strings.HasSuffix(said, "and 20 more\n") {
		t.Errorf("said\n%s", said)
	}
}

// What needs somebody comes first, each with its own word.
func TestStanding(t *testing.T) {
	f := serve(t, 9)
	f.pods.Items = append(f.pods.Items[:3], f.pods.Items[4:]...) // node-0003 has none
	f.answer = func(node string, _ []string, _ io.Reader) (string, int) {
		switch node {
		case "node-0001":
			return `{"version":"0.1.0","ready":false,"notReady":"waiting for containerd","policy":{"hash":"aaaaaaaaaaaa"}}`, 1
		case "node-0002":
			return "not JSON", 0
		case "node-0004":
			return strings.Replace(isReady, "aaaaaaaaaaaa", "bbbbbbbbbbbb", 1), 0
		case "node-0005":
			return strings.Replace(isReady, `"mode"`, `"failed":"config.toml:3: no profile \"x\"","mode"`, 1), 0
		case "node-0006":
			return strings.Replace(isReady, `"ready":true`, `"ready":true,"containers":{"outdated":2,"all":9,"adjusted":4}`, 1), 0
		case "node-0007":
			return strings.Replace(isReady, `"ready":true`, `"ready":true,"decisions":{"refused":3},"resources":[{"name":"nodegate.dev/kvm","units":110,"healthy":0,"why":"no /dev/kvm"}],"ofTomorrow":{"a":[1]}`, 1), 0
		}
		return isReady, 0
	}
	out, said, err := f.run(t, "status", "-o", "wide")
	if err == nil || err.Error() != "1 of 8 agents did not answer" || !strings.HasPrefix(said, "node node-0002: does not answer as a nodegate agent") {
		t.Errorf("%v\n%s", err, said)
	}
	var got []string
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		got = append(got, strings.Join(f[:2], " "))
	}
	want := "NODE STATUS, node-0003 NoAgent, node-0002 NoAnswer, node-0001 NotReady, node-0005 NotReloaded, node-0004 OtherPolicy, node-0006 Outdated, node-0007 Ready, node-0000 Ready, node-0008 Ready"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("%s, want\n%s", text, want)
	}
	for _, want := range []string{"waiting for containerd", `config.toml:3: no profile "x"`, "2 containers have to be recreated", "kvm 0/110", "nodegate.dev/kvm: no /dev/kvm", "containerd/2.4.2"} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing of %q in\n%s", want, out)
		}
	}
	// What an agent says, also what this program does not know, is in the JSON.
	out, _, _ = f.run(t, "status", "-o", "json")
	var list struct {
		Nodes []struct {
			Node, Status string
			Says         map[string]any
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Nodes) != 9 || list.Nodes[6].Says["ofTomorrow"] == nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A right that is missing is named, as the line of the rule that gives it.
func TestDenied(t *testing.T) {
	for resource, want := range map[string]string{
		"nodes":     "in a ClusterRole that you are bound to:\n  - {apiGroups: [\"\"], resources: [nodes], verbs: [list]}",
		"pods":      "in a Role in namespace \"nodegate\" that you are bound to:\n  - {apiGroups: [\"\"], resources: [pods], verbs: [list]}",
		"pods/exec": "in a Role in namespace \"nodegate\" that you are bound to:\n  - {apiGroups: [\"\"], resources: [pods/exec], verbs: [get, create]}",
	} {
		f := serve(t, 2)
		f.deny = resource
		_, said, err := f.run(t, "status")
		if err == nil || !strings.Contains(said+err.Error(), want) {
			t.Errorf("%s: %v\n%s\nwant %s", resource, err, said, want)
		}
	}
}

// Refusals of all nodes, the latest first, of one namespace or of all.
func TestRefusals(t *testing.T) {
	f := serve(t, 2)
	f.answer = func(node string, _ []string, _ io.Reader) (string, int) {
		at := map[string]string{"node-0000": "2026-03-02T09:00:00Z", "node-0001": "2026-03-02T10:00:00Z"}[node]
		return fmt.Sprintf(`{"ready":true,"refusals":[{"time":%q,"namespace":"ci","pod":%q,"container":"app","code":"not_granted","text":"nodegate: it \u001b[2J asks [not_granted]"},
			{"time":%q,"namespace":"other","pod":"p","container":"app","code":"no_device","text":"nodegate: it has none [no_device]"}]}`, at, node, at), 0
	}
	out, _, err := f.run(t, "refusals", "-n", "ci")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || len(lines) != 3 || !strings.Contains(lines[1], "ci          node-0001   app         not_granted   it ^[[2J asks") || !strings.Contains(lines[2], "node-0000") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _, err := f.run(t, "refusals", "-A", "-o", "json"); err != nil || strings.Count(out, `"node": "node-000`) != 4 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, said, err := f.run(t, "refusals", "-n", "none"); err != nil || out != "" || said != "No refusals found.\nRefusals in other namespaces than \"none\": 4. -A shows them.\n" {
		t.Errorf("%v\n%s%s", err, out, said)
	}
}

func TestBadAnswers(t *testing.T) {
	f := serve(t, 0)
	if _, _, err := f.run(t, "status"); err == nil || !strings.Contains(err.Error(), `no pod in namespace "nodegate" has the labels`) {
		t.Errorf("without agents: %v", err)
	}
	f = serve(t, 2)
	f.answer = func(node string, _ []string, _ io.Reader) (string, int) {
		if node == "node-0000" {
			return strings.Repeat("x", 17<<20), 0
		}
		return "", 3
	}
	_, said, err := f.run(t, "status")
	if err == nil || !strings.Contains(said, "node node-0000: answers with more than 16 MiB\nnode node-0001: something is wrong\n") {
		t.Errorf("%v\n%s", err, said)
	}
}

func TestUsage(t *testing.T) {
	f := serve(t, 1)
	for _, args := range []string{"stat", "status x", "status -o name", "status -w -o json", "status --no", "explain", "explain pod/a -f b", "diff", "diff -f a b", "status --parallel 0"} {
		_, _, err := f.run(t, strings.Fields(args)...)
		var coded *codedError
		if !errors.As(err, &coded) || coded.code != exitUsage {
			t.Errorf("%s: %v", args, err)
		}
	}
	if _, _, err := f.run(t, "diff", "-f", "-"); err == nil || !strings.HasPrefix(err.Error(), "stdin is empty: ") {
		t.Errorf("diff does not read stdin: %v", err)
	}
}

// Each agent compares the pods of its own node; what comes of them is added up.
func TestDiffAddsUp(t *testing.T) {
	f := serve(t, 3)
	for i := range 250 {
		f.addPod(node(fmt.Sprintf("node-%04d", i%2)), "ci", fmt.Sprint("p", i), nil)
	}
	f.addPod("", "ci", "waits", nil)
	policy := filepath.Join(t.TempDir(), "new.toml")
	if err := os.WriteFile(policy, []byte("version = 1\n# § \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.answer = func(node string, args []string, stdin io.Reader) (string, int) {
		all, _ := io.ReadAll(stdin)
		text, ok := strings.CutPrefix(string(all), "version = 1\n# § \n")
		var list struct {
			Kind  string
			Items []struct {
				Kind     string
				Metadata struct{ Name string }
				Spec     struct{ NodeName string }
			}
		}
		if err := json.Unmarshal([]byte(text), &list); !ok || err != nil || len(list.Items) > podsAtOnce || list.Items[0].Spec.NodeName != node {
			t.Errorf("%v, %d pods for %s: %.100s", err, len(list.Items), node, all)
			return "", 1
		}
		if got := strings.Join(args, " "); got != "nodegate diff /etc/nodegate/config.toml new.toml --new-bytes 18 --pods - --runtime containerd/2.4.2 -o json" {
			t.Errorf("asked %s", got)
		}
		name := list.Items[0].Metadata.Name
		return fmt.Sprintf(`{"old":{"hash":"a"},"new":{"hash":"b"},"counts":{"pods":%d,"newlyRefused":1,"unchanged":%d},"containers":[{"namespace":"ci","pod":%q,"container":"app","type":"container",
			"result":"newly_refused","refusal":{"code":"not_granted","text":"nodegate: container \"app\" of pod ci/%s asks"}}]}`, len(list.Items), len(list.Items)-1, name, name), exitRefuses
	}
	out, _, err := f.run(t, "diff", "-f", policy)
	var coded *codedError
	if !errors.As(err, &coded) || coded.code != exitRefuses {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"pods on no node that has an agent, which were not compared: 1\n", "253 containers in 253 pods: 5 newly refused, 0 no longer refused, 0 changed, 248 unchanged\n", "newly refused   yes        container \"app\" of pod ci/p198 asks [not_granted]\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// What a node says does not steer the terminal of who asks all of them.
func TestDiffEscapes(t *testing.T) {
	var out strings.Builder
	report := &fleetDiff{Problems: []string{"node a: \x1b[2J"}, Old: map[string]int{"\x1b[1m": 1, "b": 1}}
	if err := report.write(&out, ""); err != nil || strings.Contains(out.String(), "\x1b") || !strings.Contains(out.String(), "node a: ^[[2J\n") {
		t.Errorf("%v: %q", err, out.String())
	}
}

// An agent of an older version does not know what it is asked.
func TestDiffOfOlderAgents(t *testing.T) {
	f := serve(t, 2)
	f.addPod("node-0000", "ci", "a", nil)
	f.addPod("node-0001", "ci", "b", nil)
	policy := filepath.Join(t.TempDir(), "new.toml")
	if err := os.WriteFile(policy, []byte("version = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.answer = func(node string, _ []string, _ io.Reader) (string, int) {
		if node == "node-0001" {
			return "", exitUsage
		}
		return `{"old":{"hash":"a"},"new":{"hash":"b"},"counts":{"pods":1,"unchanged":1}}`, 0
	}
	out, said, err := f.run(t, "diff", "-f", policy, "-n", "ci")
	if err == nil || err.Error() != "1 of 2 agents did not answer" || !strings.HasPrefix(said, "node node-0001: its agent is of another version and does not know what this program, of version devel, asks of it: have both of one version (") || !strings.HasPrefix(out, "1 containers in 1 pods: 0 newly refused") {
		t.Errorf("%v\n%s\n%s", err, said, out)
	}
}

// until ends a command once it has written a text.
type until struct {
	bytes.Buffer
	text string
	end  context.CancelFunc
}

func (u *until) Write(p []byte) (int, error) {
	n, err := u.Buffer.Write(p)
	if strings.Contains(u.String(), u.text) {
		u.end()
	}
	return n, err
}

// With --watch the rows that change come under the same header, and no others.
func TestWatch(t *testing.T) {
	f := serve(t, 3)
	var asked atomic.Int64
	f.answer = func(node string, _ []string, _ io.Reader) (string, int) {
		if asked.Add(1) > 9 && node == "node-0001" {
			return strings.Replace(isReady, `"ready":true`, `"ready":true,"containers":{"outdated":1}`, 1), 0
		}
		return isReady, 0
	}
	t.Setenv("KUBECONFIG", "/dev/null")
	ctx, cancel := context.WithCancel(t.Context())
	out := &until{text: "Outdated", end: cancel}
	cmd := rootCommand(genericiooptions.IOStreams{In: strings.NewReader(""), Out: out, ErrOut: io.Discard})
	cmd.SetArgs([]string{"status", "-w", "--interval", "20ms", "--server", f.URL})
	if err := cmd.ExecuteContext(ctx); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[4], "node-0001   Outdated") {
		t.Errorf("%s", out.String())
	}
}

func TestChoose(t *testing.T) {
	f := serve(t, 3)
	o := &options{}
	a := &agents{options: o}
	for i := range f.nodes.Items {
		n := fleet.Node{Name: f.nodes.Items[i].Name, Labels: map[string]string{"zone": fmt.Sprint(i)}, Agent: &f.pods.Items[i]}
		if i == 0 {
			n.Agent = nil
		}
		a.nodes = append(a.nodes, n)
	}
	for name, tc := range map[string]struct {
		t     target
		named string
		want  string
	}{
		"where it runs":     {target{node: "node-0002"}, "", "node-0002"},
		"another":           {target{node: "node-0002"}, "node-0001", "node-0001"},
		"the first":         {target{}, "", "node-0001"},
		"by its selector":   {target{selector: map[string]string{"zone": "2"}}, "", "node-0002"},
		"none has an agent": {target{selector: map[string]string{"zone": "0"}}, "", "no node with an agent matches"},
		"no agent there":    {target{node: "node-0000"}, "", "no agent runs here"},
		"no such node":      {target{}, "elsewhere", `there is no node "elsewhere"`},
	} {
		got, _, err := a.choose(&tc.t, tc.named)
		if err != nil && !strings.Contains(err.Error(), tc.want) || err == nil && got.Name != tc.want {
			t.Errorf("%s: %v, %v, want %s", name, got, err, tc.want)
		}
	}
}

func TestCompletion(t *testing.T) {
	f := serve(t, 1)
	f.addPod("node-0000", "ci", "build-1", nil)
	for line, want := range map[string]string{
		"explain -n ci ":   "pod/build-1\n",
		"status -o ":       "wide\njson\nyaml\n",
		"sta":              "status\tShow the agent of each node, those with problems first\n",
		"status --agent-n": "--agent-namespace\t",
	} {
		words := strings.Split(line, " ")
		out, _, err := runAll(t, slices.Concat([]string{"__complete", "--server", f.URL}, words)...)
		if err != nil || !strings.HasPrefix(out, want) {
			t.Errorf("%q: %v, %s", line, err, out)
		}
	}
}
