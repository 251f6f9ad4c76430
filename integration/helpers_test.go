// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// limit bounds a wait for something that takes a second on an idle machine.
const limit = time.Minute

// gates counts agents' configurations, for names that are this process's own.
var gates atomic.Int32

// startNode starts a node that ends with the test.
func startNode(t *testing.T, o node.Options) *node.Node {
	t.Helper()
	node.Require(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	n, err := node.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeNode(n); err != nil {
			t.Error(err)
		}
	})
	return n
}

// closeNode closes a node and says what of it is left.
func closeNode(n *node.Node) error {
	errs := []error{n.Close()}
	if _, err := os.Stat(n.Dir()); !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, errors.New("left behind: "+n.Dir()))
	}
	return errors.Join(append(errs, processesOf(n)...)...)
}

// processesOf looks for processes that name the node's directory or are in its cgroups.
func processesOf(n *node.Node) []error {
	own := filepath.Base(n.Dir())
	procs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is good
	var left []error
	for _, proc := range procs {
		cmdline, err1 := os.ReadFile(filepath.Join(proc, "cmdline"))
		cgroup, err2 := os.ReadFile(filepath.Join(proc, "cgroup"))
		if err1 != nil || err2 != nil || len(cmdline) == 0 {
			continue // has ended
		}
		if strings.Contains(string(cmdline), own) || strings.Contains(string(cgroup), own) {
			left = append(left, fmt.Errorf("left behind: process %s: %q", filepath.Base(proc), cmdline))
		}
	}
	return left
}

// gate is what an agent on a node is started with. Agents that are to know of each
// other's containers, one after the other or both at once, share one.
type gate struct {
	Node    *node.Node
	Config  string // the policy's file
	State   string // [state] dir
	Shadows string // [state] shadow_dir
	binary  string
}

// newGate writes a policy for the node: the text says what is granted, and may begin
// with keys of the top level. At the test's end nothing of it may be left.
func newGate(t *testing.T, n *node.Node, policy string) *gate {
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
	g := &gate{
		Node:    n,
		Config:  filepath.Join(dir, "config.toml"),
		State:   filepath.Join(dir, "state"),
		Shadows: fmt.Sprintf("/dev/.udev/nodegate-test-%d-%d", os.Getpid(), id),
		binary:  filepath.Join(bin, "nodegate"),
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
func (g *gate) Write(t *testing.T, policy string) {
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
func (g *gate) Start(t *testing.T) *node.Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	agent, err := g.Node.StartAgent(ctx, g.binary, g.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
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
func (g *gate) Left() []string {
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

// startAgent runs one agent with a policy for the test's length.
func startAgent(t *testing.T, n *node.Node, policy string) (*gate, *node.Process) {
	t.Helper()
	g := newGate(t, n, policy)
	return g, g.Start(t)
}
