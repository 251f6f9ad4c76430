// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// traces are what a node could leave on the machine, one line each.
func traces(t *testing.T) []string {
	t.Helper()
	var found []string
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		found = append(found, "mount "+strings.Fields(line)[4])
	}
	for _, pattern := range []string{
		"/run/netns/*", "/run/containerd", "/run/containerd/*", "/var/lib/cni", "/sys/class/net/*",
		"/sys/fs/cgroup/nodegate-*", "/sys/fs/cgroup/*/nodegate-*", filepath.Join(os.TempDir(), "nodegate-*"),
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, paths...)
	}
	return found
}

// assertNoTraces compares with the traces from before, and looks for processes. Other nodes may run meanwhile: only what belongs to this
// one, or to no node by its name, counts.
func assertNoTraces(t *testing.T, n *node.Node, before []string) {
	t.Helper()
	own := filepath.Base(n.Dir())
	for _, trace := range traces(t) {
		if slices.Contains(before, trace) {
			continue
		}
		if strings.Contains(trace, own) || strings.Contains(trace, "veth") || strings.Contains(trace, "netns") {
			t.Errorf("left behind: %s", trace)
		}
	}
	assertGone(t, n.Dir())
	assertNoProcesses(t, n.Dir())
}

// assertNoProcesses looks for processes that name the node's directory or are in its
// cgroups.
func assertNoProcesses(t *testing.T, dir string) {
	t.Helper()
	own := filepath.Base(dir)
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, proc := range procs {
		cmdline, err1 := os.ReadFile(filepath.Join(proc, "cmdline"))
		cgroup, err2 := os.ReadFile(filepath.Join(proc, "cgroup"))
		if err1 != nil || err2 != nil {
			continue // ended meanwhile
		}
		if len(cmdline) == 0 {
			continue // has ended, and waits for PID 1 to notice
		}
		if strings.Contains(string(cmdline), own) || strings.Contains(string(cgroup), own) {
			t.Errorf("left behind: process %s: %s", filepath.Base(proc), strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
}

func assertGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %s (%v)", path, err)
	}
}

// A start that is cancelled midway leaves as little behind as one that was not.
func TestStartCancelled(t *testing.T) {
	node.Require(t, node.Options{})
	before := traces(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	cancel(interrupted)
	n, err := node.Start(ctx, node.Options{})
	if err == nil {
		n.Close()
		t.Fatal("started although cancelled")
	}
	for _, trace := range traces(t) {
		if !slices.Contains(before, trace) && strings.HasPrefix(trace, "mount") {
			t.Errorf("left behind: %s", trace)
		}
	}
}

// Pods that were asked for and not yet there when the caller gave up, as by an
// interrupt, are nobody's: the node's end finds them all the same.
func TestPodsCancelled(t *testing.T) {
	n, ctx := start(t, node.Options{})
	ctx, cancel := context.WithTimeout(ctx, 400*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p, err := n.RunPod(ctx, node.PodConfig{Name: fmt.Sprintf("pod-%d", i), UserNamespace: true})
			if err == nil {
				_, err = p.RunContainer(ctx, node.ContainerConfig{})
			}
			t.Logf("pod %d: %v", i, err)
		})
	}
	wg.Wait()
}
