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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// Limit bounds a wait for something that takes a second on an idle machine: longer inside
// of another one, which may be emulated.
var Limit = limit()

func limit() time.Duration {
	if Inside() != "" {
		return 5 * time.Minute
	}
	return time.Minute
}

// StartNode starts a node that ends with the test.
func StartNode(t *testing.T, o node.Options) *node.Node {
	t.Helper()
	node.Require(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
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

// Must ends the test at an error.
func Must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// ShortTimeout is how long containerd waits for a plugin's answer here.
const ShortTimeout = `[plugins.'io.containerd.nri.v1.nri']
plugin_request_timeout = "500ms"
`

// Unanswered is how containerd refuses a container whose request found the agent
// hanging, or gone a moment ago.
const Unanswered = "validator plugin 90-nodegate failed: "

// Connected is what containerd logs once it asks the agent about containers: a moment
// after the agent has logged that it is synchronized.
const Connected = `plugin \"90-nodegate\" connected and synchronized`

// OtherHandler is a second runtime handler of the shared node. It is runc too.
const OtherHandler = "other"

// Gateway is the node's end of the pods' network: something to ping.
const Gateway = "10.88.0.1"

// shared is the node of all tests that do nothing to containerd itself.
var shared struct {
	once sync.Once
	node *node.Node
	err  error
}

// Main runs a package's tests and ends the shared node.
func Main(m *testing.M) {
	code := m.Run()
	if shared.node != nil {
		if err := closeNode(shared.node); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// SharedNode starts the shared node when the first test needs it. One test at a time
// has an agent there; its subtests may be parallel.
func SharedNode(t *testing.T) *node.Node {
	t.Helper()
	bin, err := node.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	o := node.Options{Handlers: map[string]string{OtherHandler: filepath.Join(bin, "runc")}}
	node.Require(t, o)
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Limit)
		defer cancel()
		shared.node, shared.err = node.Start(ctx, o)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.node
}
