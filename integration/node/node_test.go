// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"fmt"
	"os"
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

func TestPods(t *testing.T) {
	n, ctx := start(t, node.Options{})
	user := int64(1000)

	t.Run("plain", func(t *testing.T) {
		began := time.Now()
		p, c := run(ctx, t, n, node.PodConfig{Name: "plain", Namespace: "test"}, node.ContainerConfig{RunAsUser: &user, DropCapabilities: []string{"ALL"}})
		t.Logf("pod running in %v", time.Since(began).Round(time.Millisecond))
		probe(ctx, t, c, "reply from 127.0.0.1", "ping", "127.0.0.1")
		probe(ctx, t, c, "reply from 10.88.0.1", "ping", "10.88.0.1")
		probe(ctx, t, c, `{"uid":1000,"gid":0,"euid":1000,"egid":0,"groups":[0]}`, "id")
		probe(ctx, t, c, "ENOENT", "open", "/dev/kvm")
		spec, err := c.Spec()
		if err != nil {
			t.Fatal(err)
		}
		if got := spec.Annotations["io.kubernetes.cri.sandbox-namespace"]; got != "test" {
			t.Errorf("the spec's namespace is %q", got)
		}
		if len(spec.Linux.MaskedPaths) == 0 || spec.Linux.Seccomp != nil {
			t.Errorf("masked paths %q, seccomp %v: not what a kubelet asks for by default", spec.Linux.MaskedPaths, spec.Linux.Seccomp)
		}
		began = time.Now()
		if err := p.Remove(ctx); err != nil {
			t.Error(err)
		}
		t.Logf("pod removed in %v", time.Since(began).Round(time.Millisecond))
	})

	t.Run("user namespace", func(t *testing.T) {
		p, c := run(ctx, t, n, node.PodConfig{Name: "userns", UserNamespace: true}, node.ContainerConfig{RunAsUser: &user, Seccomp: node.SeccompRuntimeDefault})
		probe(ctx, t, c, "EACCES", "ping", "127.0.0.1")
		probe(ctx, t, c, "65534 65534", "sysctl", "net.ipv4.ping_group_range")
		spec, err := c.Spec()
		if err != nil {
			t.Fatal(err)
		}
		if spec.Linux.Seccomp == nil {
			t.Error("no seccomp profile")
		}
		sandbox, err := p.Spec()
		if err != nil {
			t.Fatal(err)
		}
		if len(sandbox.Linux.GIDMappings) != 1 || sandbox.Linux.GIDMappings[0].HostID != 100000 {
			t.Errorf("the sandbox's gid mappings are %v", sandbox.Linux.GIDMappings)
		}
		pid, err := p.Pid()
		if err != nil {
			t.Fatal(err)
		}
		gids, err := os.ReadFile(fmt.Sprintf("/proc/%d/gid_map", pid))
		if got := strings.Join(strings.Fields(string(gids)), " "); got != "0 100000 65536" || err != nil {
			t.Errorf("gid_map of the sandbox is %q (%v)", got, err)
		}
	})

	t.Run("host network, device, volume", func(t *testing.T) {
		volume := filepath.Join(n.Dir(), "volume")
		if err := os.Mkdir(volume, 0o755); err != nil {
			t.Fatal(err)
		}
		_, c := run(ctx, t, n, node.PodConfig{Name: "hostnet", HostNetwork: true}, node.ContainerConfig{
			Mounts:  []node.Mount{{HostPath: volume, ContainerPath: "/data"}},
			Devices: []node.Device{{HostPath: "/dev/null", ContainerPath: "/dev/other", Permissions: "r"}},
		})
		probe(ctx, t, c, "ok", "mkdir", "/data/x")
		probe(ctx, t, c, "ok", "open", "/dev/other", "r")
		if _, err := os.Stat(filepath.Join(volume, "x")); err != nil {
			t.Error(err)
		}
	})

	t.Run("privileged", func(t *testing.T) {
		_, c := run(ctx, t, n, node.PodConfig{Name: "privileged", Privileged: true}, node.ContainerConfig{Privileged: true})
		// Every node of the host's, with CAP_SYSLOG to open this one.
		probe(ctx, t, c, "ok", "open", "/dev/kmsg", "r")
	})

	t.Run("refusal as the kubelet shows it", func(t *testing.T) {
		p, err := n.RunPod(ctx, node.PodConfig{Name: "refused"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.RunContainer(ctx, node.ContainerConfig{Command: []string{"/missing"}})
		if err == nil || !strings.HasPrefix(err.Error(), "Error: ") || !strings.Contains(err.Error(), "/missing") {
			t.Errorf("a container without a program: %v", err)
		}
	})
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
