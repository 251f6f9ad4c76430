// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// start starts a node and, at the end of the test, closes it and looks for leftovers.
func start(t *testing.T, o node.Options) (*node.Node, context.Context) {
	t.Helper()
	node.Require(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	before := traces(t)
	began := time.Now()
	n, err := node.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("node started in %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		began := time.Now()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		cancel()
		t.Logf("node closed in %v", time.Since(began).Round(time.Millisecond))
		assertNoTraces(t, n, before)
	})
	return n, ctx
}

// run runs a pod with one container.
func run(ctx context.Context, t *testing.T, n *node.Node, pod node.PodConfig, c node.ContainerConfig) (*node.Pod, *node.Container) {
	t.Helper()
	p, err := n.RunPod(ctx, pod)
	if err != nil {
		t.Fatal(err)
	}
	container, err := p.RunContainer(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return p, container
}

// probe asks a question and compares its answer.
func probe(ctx context.Context, t *testing.T, c *node.Container, want string, question ...string) {
	t.Helper()
	got, err := c.Probe(ctx, question...)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("probe %s: %q, want %q", strings.Join(question, " "), got, want)
	}
}

func TestParallelPods(t *testing.T) {
	n, ctx := start(t, node.Options{})
	const pods = 10
	began := time.Now()
	var wg sync.WaitGroup
	for i := range pods {
		wg.Go(func() {
			p, err := n.RunPod(ctx, node.PodConfig{Name: fmt.Sprintf("pod-%d", i), UserNamespace: i%2 == 0})
			if err != nil {
				t.Error(err)
				return
			}
			c, err := p.RunContainer(ctx, node.ContainerConfig{})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := c.Probe(ctx, "id"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d pods running in %v", pods, time.Since(began).Round(time.Millisecond))
}

// Pods outlive a restart of containerd, and the node is as good as before.
func TestRestart(t *testing.T) {
	n, ctx := start(t, node.Options{})
	_, c := run(ctx, t, n, node.PodConfig{Name: "before", UserNamespace: true}, node.ContainerConfig{})
	pid, err := c.Pid()
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []func() error{
		func() error { return n.RestartContainerd(ctx) },
		func() error { n.Containerd().Kill(); return n.RestartContainerd(ctx) },
	} {
		if err := how(); err != nil {
			t.Fatal(err)
		}
		if now, err := c.Pid(); now != pid || err != nil {
			t.Errorf("the container runs as %d now (%v), it was %d", now, err, pid)
		}
		probe(ctx, t, c, "", "ls", "/tmp")
	}
	run(ctx, t, n, node.PodConfig{Name: "after"}, node.ContainerConfig{})
}

// A second runtime handler, a drop-in of containerd's configuration, and cgroup v2.
func TestOptions(t *testing.T) {
	bin, err := node.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	n, ctx := start(t, node.Options{
		CgroupV2:    true,
		Handlers:    map[string]string{"other": filepath.Join(bin, "runc")},
		ExtraConfig: "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.other]\npod_annotations = [\"passed\"]\n",
	})
	p, c := run(ctx, t, n, node.PodConfig{Name: "v2", Handler: "other", UserNamespace: true, Annotations: map[string]string{"passed": "on"}}, node.ContainerConfig{})
	probe(ctx, t, c, "EROFS", "mkdir", "/sys/fs/cgroup/sub")
	if content, err := c.Probe(ctx, "ls", "/sys/fs/cgroup"); err != nil || !strings.Contains(content, "cgroup.controllers") {
		t.Errorf("/sys/fs/cgroup is no cgroup v2: %q (%v)", content, err)
	}
	spec, err := p.Spec()
	if err != nil {
		t.Fatal(err)
	}
	if spec.Annotations["passed"] != "on" {
		t.Errorf("the drop-in was not read: the sandbox has annotations %v", spec.Annotations)
	}
}
