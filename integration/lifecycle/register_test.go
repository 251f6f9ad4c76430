// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"

	"github.com/containerd/nri/pkg/adaptation"
	"github.com/containerd/nri/pkg/api"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin"
)

// TestRegisterAmongThousand: an agent that comes to a node with a thousand containers,
// each with containerd's default seccomp profile, registers within containerd's usual
// limit of 2 s. What it takes among 5,000 depends on the machine; to measure it:
//
//	NODEGATE_CONTAINERS=5000 go test ./integration/lifecycle -run TestRegisterAmongThousand -v
func TestRegisterAmongThousand(t *testing.T) {
	node.Require(t, node.Options{})
	containers := 1000
	if n, err := strconv.Atoi(os.Getenv("NODEGATE_CONTAINERS")); err == nil {
		containers = n
	}
	var pods []*api.PodSandbox
	var ctrs []*api.Container
	for i := range containers {
		pod, ctr := roundTripPod(fmt.Sprintf("c%08d", i), "default", "", false, 1)
		// Two containers a pod. With fewer pods than messages (of 4 MiB) no plugin
		// would register: the runtime divides the pods among the messages, rounds down
		// to none a message, and sends none until its time is over.
		if i%2 == 0 {
			pods = append(pods, pod)
		}
		ctr.PodSandboxId = pods[len(pods)-1].Id
		ctrs = append(ctrs, ctr)
	}
	t.Logf("%d containers: %d KiB", containers, proto.Size(&api.SynchronizeRequest{Pods: pods, Containers: ctrs})>>10)
	gate, tries := startRuntimeAmong(t, pods, ctrs, nodegatePlugin)
	t.Logf("registered by tries of %v; the agent holds %d KiB", tries, gate.rss(t))
	// At the first try where the machine is not busy.
	if containers <= 1000 && len(tries) > 3 {
		t.Errorf("registered at try %d", len(tries))
	}
}

// 2,000 pods are each as large as is accepted. An agent registers among them, and does
// not keep them.
func TestAttackLargestPods(t *testing.T) {
	node.Require(t, node.Options{})
	// A busy machine is no fault of the list's: what it takes of the processor is another test's.
	adaptation.SetPluginRequestTimeout(15 * time.Second)
	t.Cleanup(func() { adaptation.SetPluginRequestTimeout(adaptation.DefaultPluginRequestTimeout) })
	const count = 2000
	var pods []*api.PodSandbox
	var ctrs []*api.Container
	for i := range count {
		pod, ctr := roundTripPod(fmt.Sprintf("c%08d", i), "default", "", false, 1)
		pod.Labels = map[string]string{"large": strings.Repeat("x", plugin.OrdinaryBytes-proto.Size(pod)-100)}
		ctr.PodSandboxId = pod.Id
		ctr.Env = append(ctr.Env, "LARGE="+strings.Repeat("x", plugin.ShareBytes-proto.Size(pod)-proto.Size(ctr)-100))
		pods, ctrs = append(pods, pod), append(ctrs, ctr)
	}
	gate, tries := startRuntimeAmong(t, pods, ctrs, nodegatePlugin)
	now, most := gate.memory(t, "VmRSS:"), gate.memory(t, "VmHWM:")
	t.Logf("%d pods, %d MiB: registered by tries of %v; the agent holds %d KiB, at most %d KiB", count,
		proto.Size(&api.SynchronizeRequest{Pods: pods, Containers: ctrs})>>20, tries, now, most)
	if len(tries) > 3 || most > 128<<10 {
		t.Errorf("registered at try %d, with %d KiB", len(tries), most)
	}
}

// TestRegisterInParts: containerd sends a list of containers of more than 4 MiB in
// parts, and the agent is told of all of them. Forty containers make such a list if
// their environment is large; that they do not run makes no difference to a plugin.
func TestRegisterInParts(t *testing.T) {
	const pods, each, kib = 4, 10, 128
	n := it.StartNode(t, node.Options{})
	for range pods {
		p := it.RunPod(t, n, node.PodConfig{})
		for c := range each {
			_, err := p.CreateContainer(t.Context(), node.ContainerConfig{Name: fmt.Sprint("c-", c),
				Seccomp: node.SeccompRuntimeDefault, Env: map[string]string{"LARGE": strings.Repeat("x", kib<<10)}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	began := time.Now()
	_, agent := it.StartAgent(t, n, it.GrantApart("ping"))
	t.Logf("registered after %v", time.Since(began).Round(time.Millisecond))
	found := regexp.MustCompile(`msg=synchronized .*containers=(\d+)`).FindStringSubmatch(agent.Log())
	if found == nil || found[1] != fmt.Sprint(pods*each) {
		t.Errorf("not told of %d containers: %q", pods*each, found)
	}
}

// A container with a long grace period is stopped while a plugin waits to register:
// containerd lets no plugin in and starts no container meanwhile. The agent says that it
// waits; nothing runs unadjusted (github.com/containerd/containerd/issues/14083).
func TestAttackGracePeriod(t *testing.T) {
	n := it.SharedNode(t)
	deaf := it.Run(t, n, node.PodConfig{}, node.ContainerConfig{Customize: func(c *runtimeapi.ContainerConfig) {
		c.StopSignal = runtimeapi.Signal_SIGNAL_SIGCONT // it ends by SIGKILL, when its grace is over
	}})
	other := it.RunPod(t, n, node.PodConfig{})
	var stopped, started time.Time
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := n.CRI().StopContainer(t.Context(), &runtimeapi.StopContainerRequest{ContainerId: deaf.ID, Timeout: 9}); err != nil {
			t.Error(err)
		}
		stopped = time.Now()
	})
	time.Sleep(500 * time.Millisecond) // it stops
	g := it.NewGate(t, n, it.GrantApart("ping"))
	wg.Go(func() {
		time.Sleep(2 * time.Second) // the agent waits
		began := time.Now()
		if _, err := other.RunContainer(t.Context(), node.ContainerConfig{}); err != nil {
			t.Error(err)
		}
		started = time.Now()
		t.Logf("a start took %v", started.Sub(began).Round(100*time.Millisecond))
	})
	agent := g.Start(t)
	wg.Wait()
	if !strings.Contains(agent.Log(), "does not let the agent in yet") {
		t.Error("the agent does not say that it waits")
	}
	if started.Before(stopped) {
		t.Errorf("a container started %v before the other had stopped: then docs/troubleshooting.md is wrong about this containerd", stopped.Sub(started))
	}
}
