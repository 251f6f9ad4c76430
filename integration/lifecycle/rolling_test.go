// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// runAgain runs a container as the kubelet does: one that was refused since an agent did
// not answer is tried again.
func runAgain(t *testing.T, p *node.Pod) *node.Container {
	t.Helper()
	c, err := p.RunContainer(t.Context(), node.ContainerConfig{})
	if err != nil && strings.Contains(err.Error(), it.Unanswered) {
		c, err = p.RunContainer(t.Context(), node.ContainerConfig{})
	}
	it.Must(t, err)
	return c
}

// stop stops an agent's process, which wakes up before the test's end.
func stop(t *testing.T, agent *node.Process) {
	t.Helper()
	if err := agent.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Signal(syscall.SIGCONT) })
}

// Two agents at once give what one gives, once.
func TestLifecycleTwoAgents(t *testing.T) {
	it.NeedFuse(t)
	g, _ := it.StartAgent(t, it.StartNode(t, node.Options{}), grantOneOfEach)
	for _, userns := range []bool{false, true} {
		pod := it.RunPod(t, g.Node, node.PodConfig{UserNamespace: userns, Annotations: it.AskFor(oneOfEach)})
		seccomp := node.ContainerConfig{Name: "one", Seccomp: node.SeccompRuntimeDefault}
		alone := given(t, g, it.RunContainer(t, pod, seccomp))
		if !strings.Contains(alone, "ping_group_range") || strings.Contains(alone, g.Shadows) != userns {
			t.Fatalf("one agent gives %s", alone)
		}
		second := g.Start(t)
		seccomp.Name = "two"
		c := it.RunContainer(t, pod, seccomp)
		expectAll(t, c)
		it.ExpectOwnRecord(t, g, c)
		if both := given(t, g, c); both != alone {
			t.Errorf("user namespace %v: two agents give\n%s\none gives\n%s", userns, both, alone)
		}
		it.Remove(t, pod)
		g.ExpectLeft(t, nil, nil)
		if err := second.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// rollout creates a container in each pod while something happens to an agent. Each has
// to be adjusted, or refused by nodegate with a reason; none may run as it came.
func rollout(t *testing.T, pods []*node.Pod, happens func()) []*node.Container {
	t.Helper()
	const atOnce, before = 6, 8
	var mu sync.Mutex
	var adjusted []*node.Container
	var refused []string
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, pod := range pods {
		slots <- struct{}{}
		if i == before {
			happens()
		}
		wg.Go(func() {
			defer func() { <-slots }()
			c, err := pod.RunContainer(t.Context(), node.ContainerConfig{})
			mu.Lock()
			defer mu.Unlock()
			var event *node.EventError
			switch {
			case err == nil:
				adjusted = append(adjusted, c)
			case errors.As(err, &event) && (strings.Contains(event.Message, "nodegate: ") || strings.Contains(event.Message, it.Unanswered)):
				refused = append(refused, event.Message)
			default:
				t.Errorf("pod %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d adjusted, %d refused %q", len(adjusted), len(refused), refused)
	if len(adjusted) < len(pods)/2 {
		t.Error("most containers should have started")
	}
	t.Cleanup(func() {
		for _, c := range adjusted {
			if err := c.Remove(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	return adjusted
}

// A rolling update in which the old agent ends in each way that there is. The new one is
// called after it, so every request is the old one's first.
func TestLifecycleRollingUpdate(t *testing.T) {
	it.NeedFuse(t)
	n := it.StartNode(t, node.Options{ExtraConfig: it.ShortTimeout})
	pods := make([]*node.Pod, 30)
	for i := range pods {
		pods[i] = it.RunPod(t, n, node.PodConfig{UserNamespace: i%2 == 0, Annotations: it.AskFor(oneOfEach)})
	}
	for name, end := range map[string]func(*node.Process) error{
		"terminated": func(p *node.Process) error { return p.Signal(syscall.SIGTERM) },
		"killed":     func(p *node.Process) error { return p.Signal(syscall.SIGKILL) },
		"stopped":    func(p *node.Process) error { return p.Signal(syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			g, old := it.StartAgent(t, n, grantOneOfEach)
			t.Cleanup(func() { _ = old.Signal(syscall.SIGCONT) }) // or it would not end
			g.Start(t)
			adjusted := rollout(t, pods, func() {
				if err := end(old); err != nil {
					t.Error(err)
				}
			})
			for _, c := range adjusted {
				expectAll(t, c)
				it.ExpectOwnRecord(t, g, c)
			}
			if name != "stopped" {
				select {
				case <-old.Done():
				case <-time.After(5 * time.Second):
					t.Error("the old agent runs on")
				}
				return
			}
			// It wakes up with a request that it never answered: another did.
			if err := old.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			it.WaitLogged(t, old, "synchronized", 2)
			for _, c := range adjusted {
				expectAll(t, c)
				it.ExpectOwnRecord(t, g, c)
			}
		})
	}
}

// An agent that wakes up with a request that the runtime has given up on, and that the
// other agent has answered, leaves the container's shadow nodes alone.
func TestLifecycleLateAnswer(t *testing.T) {
	it.NeedFuse(t)
	// On one CPU the agent is slowest to see that nobody waits any more.
	t.Setenv("GOMAXPROCS", "1")
	n := it.StartNode(t, node.Options{ExtraConfig: it.ShortTimeout})
	g, old := it.StartAgent(t, n, grantOneOfEach)
	g.Start(t)
	for i := range 5 {
		stop(t, old)
		c := runAgain(t, it.RunPod(t, n, node.PodConfig{UserNamespace: true, Annotations: it.AskFor(oneOfEach)}))
		expectAll(t, c)
		if err := old.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		it.WaitLogged(t, old, "synchronized", 2+i)
		expectAll(t, c)
		it.ExpectOwnRecord(t, g, c)
		if left := n.Containerd().Log(); t.Failed() {
			t.Logf("containerd's log ends with\n%s", left[max(0, len(left)-4000):])
			return
		}
	}
}

// While two agents have different policies, a container gets what one of them says,
// never both: the old one is called first, and the new one decides where that has
// nothing to say.
func TestLifecycleOldAndNewPolicy(t *testing.T) {
	it.NeedFuse(t)
	n := it.StartNode(t, node.Options{})
	g, old := it.StartAgent(t, n, "[[grants]]\nnamespaces = [\"default\"]\nprofiles = [\"ping\"]\n")
	next := g.Sibling(t, "[[grants]]\nnamespaces = [\"default\"]\nprofiles = [\"fuse\"]\n"+
		"[[grants]]\nnamespaces = [\"locked\"]\nprofiles = [\"no-mknod\"]\napply = \"always\"\n")
	next.Start(t)

	pings := it.RunPod(t, n, node.PodConfig{UserNamespace: true, Annotations: it.AskFor("ping")})
	c := it.RunContainer(t, pings, node.ContainerConfig{})
	it.Expect(t, c, "sysctl net.ipv4.ping_group_range", "0 65535")
	it.ExpectOwnRecord(t, g, c)
	fuses := it.RunPod(t, n, node.PodConfig{UserNamespace: true, Annotations: it.AskFor("fuse")})
	if got := it.Refusal(t, fuses, node.ContainerConfig{}); !strings.Contains(got, `"fuse", which is not granted`) {
		t.Errorf("refused by the old policy with %q", got)
	}
	locked := it.Run(t, n, node.PodConfig{Namespace: "locked"}, node.ContainerConfig{})
	it.Expect(t, locked, "mknod b /disk 7 0", "EPERM")

	if err := old.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	it.Expect(t, runAgain(t, fuses), "open /dev/fuse rw", "ok")
	if got := it.Refusal(t, pings, node.ContainerConfig{Name: "other"}); !strings.Contains(got, `"ping", which is not granted`) {
		t.Errorf("refused by the new policy with %q", got)
	}
}
