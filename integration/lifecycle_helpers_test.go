// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin/record"
)

// oneOfEach are profiles of each kind: a sysctl, a device, a seccomp rule.
const oneOfEach = "ping,fuse,no-mknod"

const grantOneOfEach = `[[grants]]
namespaces = ["default"]
profiles = ["ping", "fuse", "no-mknod"]
`

// needFuse ends a test that would show nothing on a machine without /dev/fuse.
func needFuse(t *testing.T) {
	t.Helper()
	needDevices(t, "/dev/fuse")
}

// waitLogged waits until the agent's log has the text so many times.
func waitLogged(t *testing.T, p *node.Process, text string, times int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, text, func() bool { return strings.Count(p.Log(), text) >= times }); err != nil {
		t.Fatalf("%v: %d times %q", err, times, text)
	}
}

// expectAll asks for what oneOfEach gives. A container without one of the three fails.
func expectAll(t *testing.T, c *node.Container) {
	t.Helper()
	answers, err := c.Probe(t.Context(), "each", "open /dev/fuse rw", "mknod b /disk 7 0", "sysctl net.ipv4.ping_group_range")
	if err != nil {
		t.Error(err)
		return
	}
	var got []string
	if err := json.Unmarshal([]byte(answers), &got); err != nil || len(got) != 3 || got[0] != "ok" || got[1] != "EPERM" || !strings.HasPrefix(got[2], "0") {
		t.Errorf("container %q of pod %q: /dev/fuse, mknod and ping_group_range answer %q", c.ID, specOf(t, c).Annotations["io.kubernetes.cri.sandbox-name"], got)
	}
}

// given is what an agent changes of a spec, as text that is equal for two containers
// that were given the same.
func given(t *testing.T, g *gate, c *node.Container) string {
	t.Helper()
	spec := specOf(t, c)
	var mounts []string
	for _, m := range spec.Mounts {
		if strings.HasPrefix(m.Source, g.Shadows) {
			mounts = append(mounts, strings.Replace(m.Source, c.ID, "ID", 1)+" "+m.Destination+" "+strings.Join(m.Options, ","))
		}
	}
	nonces := 0
	for name := range spec.Annotations {
		if strings.HasPrefix(name, "nodegate.dev/") {
			nonces++
		}
	}
	text, err := json.MarshalIndent(map[string]any{
		"devices": spec.Linux.Devices, "rules": spec.Linux.Resources.Devices, "seccomp": spec.Linux.Seccomp,
		"sysctls": spec.Linux.Sysctl, "shadows": mounts, "nonces": nonces,
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// expectOwnRecord compares the container's record with what its spec says: the agent
// that changed the spec is the one whose record is there.
func expectOwnRecord(t *testing.T, g *gate, c *node.Container) {
	t.Helper()
	store, err := record.Open(g.State)
	if err != nil {
		t.Fatal(err)
	}
	r, err := store.Read(c.ID)
	if err != nil {
		t.Error(err)
		return
	}
	if nonce := specOf(t, c).Annotations[record.Annotation]; nonce != r.Nonce || nonce == "" {
		t.Errorf("the spec's nonce is %q, the record's %q", nonce, r.Nonce)
	}
}

// records and shadows are the container ids that have one, sorted.
func (g *gate) records(t *testing.T) []string {
	t.Helper()
	return entries(t, filepath.Join(g.State, "decisions"))
}

func (g *gate) shadows(t *testing.T) []string {
	t.Helper()
	return entries(t, g.Shadows)
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range list {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	return names
}

// expectLeft compares the ids that have a record and those that have shadow nodes.
func (g *gate) expectLeft(t *testing.T, records, shadows []*node.Container) {
	t.Helper()
	for _, is := range []struct {
		what string
		got  []string
		want []*node.Container
	}{{"records", g.records(t), records}, {"shadow nodes", g.shadows(t), shadows}} {
		want := []string{}
		for _, c := range is.want {
			want = append(want, c.ID)
		}
		slices.Sort(want)
		if !slices.Equal(is.got, want) {
			t.Errorf("%s of %q, want %q", is.what, is.got, want)
		}
	}
}

// start starts an agent that need not get through to the runtime.
func (g *gate) start(t *testing.T) *node.Process {
	t.Helper()
	agent, err := g.Node.StartAgent(t.Context(), g.binary, g.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Kill() })
	return agent
}

// remove removes a pod while there is still an agent to clean up after it.
func remove(t *testing.T, pods ...*node.Pod) {
	t.Helper()
	for _, p := range pods {
		if err := p.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// sibling is a second agent's configuration, for the same node and state.
func (g *gate) sibling(t *testing.T, policy string) *gate {
	t.Helper()
	other := *g
	other.Config = filepath.Join(t.TempDir(), "config.toml")
	other.Write(t, policy)
	return &other
}

func stopRequest(c *node.Container) *runtimeapi.StopContainerRequest {
	return &runtimeapi.StopContainerRequest{ContainerId: c.ID}
}
