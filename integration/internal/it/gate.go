// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// gates counts agents' configurations, for names that are this process's own.
var gates atomic.Int32

// Gate is what an agent on a node is started with. Agents that are to know of each
// other's containers, one after the other or both at once, share one.
type Gate struct {
	Node    *node.Node
	Config  string // the policy's file
	State   string // [state] dir
	Shadows string // [state] shadow_dir
	Binary  string
}

// NewGate writes a policy for the node: the text says what is granted, and may begin
// with keys of the top level. At the test's end nothing of it may be left.
func NewGate(t *testing.T, n *node.Node, policy string) *Gate {
	t.Helper()
	bin, err := node.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	id := gates.Add(1)
	dir := filepath.Join(n.Dir(), fmt.Sprintf("gate-%d", id))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	g := &Gate{
		Node:    n,
		Config:  filepath.Join(dir, "config.toml"),
		State:   filepath.Join(dir, "state"),
		Shadows: fmt.Sprintf("/dev/.udev/nodegate-test-%d-%d", os.Getpid(), id),
		Binary:  filepath.Join(bin, "nodegate"),
	}
	g.Write(t, policy)
	t.Cleanup(func() {
		for _, left := range g.Left() {
			t.Errorf("left behind: %s", left)
		}
		_ = os.RemoveAll(g.Shadows)
	})
	return g
}

// Write replaces the policy's text.
func (g *Gate) Write(t *testing.T, policy string) {
	t.Helper()
	dir := filepath.Dir(g.Config)
	head := fmt.Sprintf("version = 1\nnri.socket = %q\nstate = { dir = %q, shadow_dir = %q }\nserver.listen = %q\nlog.level = \"debug\"\n",
		g.Node.NRISocket(), g.State, g.Shadows, "unix://"+filepath.Join(dir, "s.sock"))
	// Renamed into place: an agent that watches it sees one change.
	if err := os.WriteFile(g.Config+".new", []byte(head+policy), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(g.Config+".new", g.Config); err != nil {
		t.Fatal(err)
	}
}

// Start starts an agent and returns when it is registered. It ends with the test, after
// the pods that were started later.
func (g *Gate) Start(t *testing.T) *node.Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	defer cancel()
	agent, err := g.Node.StartAgent(ctx, g.Binary, g.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Limit)
		defer cancel()
		if err := agent.Stop(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the agent's log:\n%s", agent.Log())
		}
	})
	if err := agent.WaitLog(ctx, "synchronized"); err != nil {
		t.Fatal(err)
	}
	return agent
}

// Left names the shadow nodes and records that are there: all while containers live,
// none when they are gone.
func (g *Gate) Left() []string {
	var left []string
	for _, dir := range []string{g.Shadows, g.State} {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && path != dir && (dir == g.Shadows || !d.IsDir()) {
				left = append(left, path)
			}
			return nil
		})
	}
	return left
}

// StartAgent runs one agent with a policy for the test's length.
func StartAgent(t *testing.T, n *node.Node, policy string) (*Gate, *node.Process) {
	t.Helper()
	g := NewGate(t, n, policy)
	return g, g.Start(t)
}

// WaitLogged waits until the agent's log has the text so many times.
func WaitLogged(t *testing.T, p *node.Process, text string, times int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, text, func() bool { return strings.Count(p.Log(), text) >= times }); err != nil {
		t.Fatalf("%v: %d times %q", err, times, text)
	}
}

// RecordIDs are the ids of the containers that have a record, sorted.
func (g *Gate) RecordIDs(t *testing.T) []string {
	t.Helper()
	return Entries(t, filepath.Join(g.State, "decisions"))
}

// ShadowIDs are the ids of the containers that have shadow nodes, sorted.
func (g *Gate) ShadowIDs(t *testing.T) []string {
	t.Helper()
	return Entries(t, g.Shadows)
}

// Entries names the files of a directory, without .json; none if it is missing.
func Entries(t *testing.T, dir string) []string {
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

// ExpectLeft compares the ids that have a record and those that have shadow nodes.
func (g *Gate) ExpectLeft(t *testing.T, records, shadows []*node.Container) {
	t.Helper()
	for _, is := range []struct {
		what string
		got  []string
		want []*node.Container
	}{{"records", g.RecordIDs(t), records}, {"shadow nodes", g.ShadowIDs(t), shadows}} {
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

// StartProcess starts an agent that need not get through to the runtime.
func (g *Gate) StartProcess(t *testing.T) *node.Process {
	t.Helper()
	agent, err := g.Node.StartAgent(t.Context(), g.Binary, g.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Kill() })
	return agent
}

// Sibling is a second agent's configuration, for the same node and state.
func (g *Gate) Sibling(t *testing.T, policy string) *Gate {
	t.Helper()
	other := *g
	other.Config = filepath.Join(t.TempDir(), "config.toml")
	other.Write(t, policy)
	return &other
}

// Kill kills an agent and lets containerd notice, as the next pod's sandbox does.
func Kill(t *testing.T, n *node.Node, agent *node.Process) {
	t.Helper()
	Must(t, agent.Kill())
	Remove(t, RunPod(t, n, node.PodConfig{Namespace: "kube-system"}))
}
