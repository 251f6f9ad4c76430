// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mixed is a cluster with an agent of an earlier version, whose answer lacks members, one of
// a later version, whose answer has others, and one that knows no command but its version.
func mixed(t *testing.T) *fakeAPI {
	t.Helper()
	f := serve(t, 5)
	earlier, err := os.ReadFile("testdata/status-0.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	f.answer = func(node string, args []string, _ io.Reader) (string, int) {
		switch {
		case node == "node-0000" && args[1] == "status":
			return string(earlier), 0
		case node == "node-0001" && args[1] == "status":
			return strings.Replace(isNewer, `"profiles":[`, `"ofTomorrow":{"a":[1]},"profiles":[{"name":"gpu","granted":true,"carried":false,"why":"none","weight":2},`, 1), 0
		case node == "node-0002" && args[1] == "version":
			return "nodegate version 0.0.7\n", 0
		case node == "node-0002":
			return "", exitUsage
		case args[1] == "status":
			return strings.Replace(isNewer, "0.3.0", "0.2.0", 1), 0
		}
		return `{"old":{"hash":"a"},"new":{"hash":"b"},"ofTomorrow":1,"counts":{"pods":1,"unchanged":1,"ofTomorrow":1}}`, 0
	}
	return f
}

const isNewer = `{"version":"0.3.0","ready":true,"policy":{"hash":"3f0c9a1be2d4","mode":"enforce","loadedAt":"2026-11-30T09:14:07Z"},"refusals":[],
	"profiles":[{"name":"fuse","granted":true,"carried":true},{"name":"kvm","granted":true,"carried":false,"why":"no device \"/dev/kvm\""},{"name":"tun","granted":false,"carried":true}]}`

// Who speaks another version is shown as such, with what it tells.
func TestStatusOfMixedVersions(t *testing.T) {
	f := mixed(t)
	out, said, err := f.run(t, "status", "-o", "wide")
	if err == nil || err.Error() != "1 of 5 agents did not answer" ||
		said != "node node-0002: its agent is of version 0.0.7 and does not know what this program, of version devel, asks of it: have both of one version (something is wrong)\n" {
		t.Errorf("%v\n%s", err, said)
	}
	var got []string
	for line := range strings.Lines(out) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	for i, want := range [][2]string{
		{"NODE STATUS VERSION POLICY SINCE ADJUSTED REFUSED OUTDATED PROFILES RESOURCES AGENT CONTAINERS RUNTIME CARRIES WHY", ""},
		{"node-0002 NoAnswer - - - - - - - - agent-node-0002 - containerd/2.4.2 - its agent is of version 0.0.7 and", ""},
		{"node-0000 OtherVersion 0.1.0 3f0c9a1be2d4 ", " 9 3 0 - kvm 110/110 agent-node-0000 14 containerd v2.4.2 (NRI 0.12.3) - most agents are of version 0.2.0"},
		{"node-0001 OtherVersion 0.3.0 3f0c9a1be2d4 ", " 0 0 0 1/3 - agent-node-0001 0 - fuse most agents are of version 0.2.0"},
		{"node-0003 Ready 0.2.0 3f0c9a1be2d4 ", ` 0 0 0 1/2 - agent-node-0003 0 - fuse profile kvm: no device "/dev/kvm"`},
	} {
		if i >= len(got) || !strings.HasPrefix(got[i], want[0]) || !strings.HasSuffix(got[i], want[1]) {
			t.Errorf("line %d: want %q in\n%s", i, want, out)
		}
	}
}

// The other commands pass over what they do not know, and say who cannot answer.
func TestCommandsOfMixedVersions(t *testing.T) {
	f := mixed(t)
	for _, at := range []node{"node-0000", "node-0001", "node-0002"} {
		f.addPod(at, "ci", "on-"+string(at), nil)
	}
	policy := filepath.Join(t.TempDir(), "new.toml")
	if err := os.WriteFile(policy, []byte("version = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const cannot = "its agent is of version 0.0.7 and does not know what this program, of version devel, asks of it"
	out, said, err := f.run(t, "diff", "-f", policy, "-n", "ci")
	if err == nil || err.Error() != "1 of 3 agents did not answer" || !strings.HasPrefix(said, "node node-0002: "+cannot) || !strings.Contains(out, "2 containers in 2 pods: 0 newly refused") {
		t.Errorf("diff: %v\n%s\n%s", err, said, out)
	}
	out, said, err = f.run(t, "refusals", "-n", "ci")
	if err == nil || !strings.HasPrefix(said, "Kept by the agents: node-0000 2 of 3 in ") || !strings.Contains(said, "node node-0002: "+cannot) ||
		strings.Count(out, "\n") != 3 || !strings.Contains(out, "not_granted") {
		t.Errorf("refusals: %v\n%s\n%s", err, said, out)
	}
	if _, _, err = f.run(t, "explain", "-f", policy, "--node", "node-0002"); err == nil || !strings.HasPrefix(err.Error(), "node node-0002: "+cannot) {
		t.Errorf("explain: %v", err)
	}
	var coded *codedError
	if errors.As(err, &coded) {
		t.Errorf("an agent's exit code is not this program's: %v", coded)
	}
}

// Refusals are those of the time and the namespace that are asked for; where there are
// others, it is said.
func TestRefusalsElsewhere(t *testing.T) {
	f := mixed(t)
	f.nodes.Items, f.pods.Items = f.nodes.Items[:1], f.pods.Items[:1]
	for args, want := range map[string]string{
		"refusals":               "No refusals found.\nRefusals in other namespaces than \"default\": 2. -A shows them.\nKept by the agents: node-0000 2 of 3 in ",
		"refusals -A":            "Kept by the agents: node-0000 2 of 3 in ",
		"refusals -A --since 1s": "No refusals found.\n",
	} {
		_, said, err := f.run(t, strings.Fields(args)...)
		if err != nil || !strings.HasPrefix(said, want) || strings.HasSuffix(want, "found.\n") && said != want {
			t.Errorf("%s: %v\n%s", args, err, said)
		}
	}
}
