// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// denying is the policy of these tests: nothing for nobody, and no device nodes for teams.
const denying = "[[grants]]\nnamespaces = [\"team-*\"]\nprofiles = [\"no-mknod\"]\napply = \"always\"\n"

// onOldAndNew runs a test on the newest containerd and on the oldest.
func onOldAndNew(t *testing.T, test func(t *testing.T, n *node.Node)) {
	for _, version := range []string{node.DefaultContainerd, "1.7.35"} {
		t.Run(version, func(t *testing.T) { test(t, it.StartNode(t, node.Options{Containerd: version})) })
	}
}

// manyLabels are so many labels of 75 bytes.
func manyLabels(count int) map[string]string {
	labels := map[string]string{}
	for i := range count {
		labels[fmt.Sprintf("label-%05d", i)] = strings.Repeat("x", 60)
	}
	return labels
}

// largeEnv is an environment of so many KiB, in variables that the kernel takes.
func largeEnv(kib int) map[string]string {
	env := map[string]string{}
	for i := 0; kib > 0; i++ {
		env[fmt.Sprint("LARGE", i)] = strings.Repeat("x", min(kib, 100)<<10)
		kib -= 100
	}
	return env
}

// refusedPod runs a pod that has to be refused.
func refusedPod(t *testing.T, n *node.Node, p node.PodConfig, want string) {
	t.Helper()
	number := it.PodNumber.Add(1)
	p.Name, p.UID = fmt.Sprint("large-", number), fmt.Sprint("uid-", number)
	pod, err := n.RunPod(t.Context(), p)
	if err == nil {
		it.Remove(t, pod)
		t.Fatalf("a pod that should say %q runs", want)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("refused by %v, want %q", err, want)
	}
	left, err := n.CRI().ListPodSandbox(t.Context(), &runtimeapi.ListPodSandboxRequest{})
	it.Must(t, err)
	for _, pod := range left.GetItems() {
		if pod.GetMetadata().GetName() != p.Name {
			continue
		}
		if pod.GetState() != runtimeapi.PodSandboxState_SANDBOX_NOTREADY {
			t.Errorf("%s is left behind, %v", p.Name, pod.GetState())
		}
		// A busy containerd leaves it to the kubelet to remove what does not run.
		_, err := n.CRI().RemovePodSandbox(t.Context(), &runtimeapi.RemovePodSandboxRequest{PodSandboxId: pod.GetId()})
		it.Must(t, err)
	}
}

// held sees that the denial holds for a new pod, by an agent that has registered anew.
func held(t *testing.T, n *node.Node, g *it.Gate, agent *node.Process) {
	t.Helper()
	it.Kill(t, n, agent)
	g.Start(t)
	team := it.RunPod(t, n, node.PodConfig{Namespace: "team-a"})
	ctr := node.ContainerConfig{AddCapabilities: []string{"MKNOD"}, Seccomp: node.SeccompRuntimeDefault}
	if strings.HasSuffix(t.Name(), "1.7.35") {
		if got := it.Refusal(t, team, ctr); !strings.Contains(got, `would get seccomp rules by profile "no-mknod", which`) { // the wrapper could carry them
			t.Error(got)
		}
		return
	}
	it.Expect(t, it.RunContainer(t, team, ctr), "mknod b /tmp/b 7 0", "EPERM")
}

// Pods without a grant have labels too large for NRI to list. The runtime refuses them.
func TestAttackLockOutByLabels(t *testing.T) {
	onOldAndNew(t, func(t *testing.T, n *node.Node) {
		g, agent := it.StartAgent(t, n, denying)
		for range 4 {
			refusedPod(t, n, node.PodConfig{Namespace: "nobody", Labels: manyLabels(16000)}, "KiB of labels and annotations, and at most 64 KiB can be told to a plugin")
		}
		for range 4 {
			it.Run(t, n, node.PodConfig{Namespace: "nobody", Labels: manyLabels(400)}, node.ContainerConfig{})
		}
		held(t, n, g, agent)
	})
}

// Containers have an environment too large for NRI to list, in several pods or in one.
// The runtime refuses them.
func TestAttackLockOutByEnvironment(t *testing.T) {
	onOldAndNew(t, func(t *testing.T, n *node.Node) {
		g, agent := it.StartAgent(t, n, denying)
		for range 3 {
			pod := it.RunPod(t, n, node.PodConfig{Namespace: "nobody"})
			if got := it.Refusal(t, pod, node.ContainerConfig{Env: largeEnv(1900)}); !strings.Contains(got, "KiB of environment, arguments and mounts, and at most 384 KiB") {
				t.Error(got)
			}
		}
		for range 12 {
			it.Run(t, n, node.PodConfig{Namespace: "nobody"}, node.ContainerConfig{})
		}
		pod := it.RunPod(t, n, node.PodConfig{Namespace: "nobody"})
		it.RunContainer(t, pod, node.ContainerConfig{Name: "fits", Env: largeEnv(370)})
		for i := range 14 {
			if got := it.Refusal(t, pod, node.ContainerConfig{Name: fmt.Sprint("c", i), Env: largeEnv(370)}); !strings.Contains(got, "makes its pod as large as") {
				t.Error(got)
			}
		}
		held(t, n, g, agent)
	})
}

// TestLockedOutIsNamed: what was created while no agent was there does keep it out. The
// agent says so, doctor names the pods, and once they are deleted the agent is in.
func TestLockedOutIsNamed(t *testing.T) {
	onOldAndNew(t, func(t *testing.T, n *node.Node) {
		var large []*node.Pod
		for range 4 {
			large = append(large, it.RunPod(t, n, node.PodConfig{Namespace: "nobody", Labels: manyLabels(16000)}))
		}
		it.Run(t, n, node.PodConfig{Namespace: "nobody"}, node.ContainerConfig{})
		g := it.NewGate(t, n, denying)
		agent := g.StartProcess(t)
		it.WaitLogged(t, agent, "registration fails: the runtime closed the connection instead of listing its pods and containers", 1)
		if s, _, _ := g.Status(t, "-o", "json"); s.Ready || !strings.Contains(s.NotReady, "registration fails") {
			t.Errorf("status says %v, %q", s.Ready, s.NotReady)
		}
		if metrics := g.Ask(t, "/metrics"); strings.Contains(metrics, "nodegate_registration_failures_total 0") || !strings.Contains(metrics, "nodegate_registration_failures_total") {
			t.Error("the metric does not count it")
		}
		d := it.Doctor(t, g)
		d.Expect(t, it.Said{"pod-sizes", "problem", "nobody/" + large[0].Config.Name})
		it.Remove(t, large...)
		it.WaitLogged(t, agent, "msg=synchronized", 1)
		if d := it.Doctor(t, g); d.Findings["pod-sizes"].Status != "ok" {
			t.Errorf("doctor says %+v", d.Findings["pod-sizes"])
		}
	})
}

// A pod with large labels comes while the agent is short of CPU. With what the chart
// requests it is refused within the runtime's 2 s; with a fifth of that it was too late,
// and the pod ran.
func TestAttackStarvedAgent(t *testing.T) {
	const root = "/sys/fs/cgroup/cpu"
	if _, err := os.Stat(root + "/cpu.shares"); errors.Is(err, os.ErrNotExist) {
		t.Skip("the machine has no cpu controller of cgroup v1")
	}
	n := it.StartNode(t, node.Options{})
	_, agent := it.StartAgent(t, n, denying)
	starved, greedy := shares(t, "starved", 100), shares(t, "greedy", 2048) // 100m, and 2 CPUs
	it.Must(t, os.WriteFile(filepath.Join(starved, "cgroup.procs"), []byte(fmt.Sprint(agent.Pid())), 0o600))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for range 4 {
		hog := exec.CommandContext(ctx, "sh", "-c", "echo $$ > "+greedy+"/cgroup.procs; while :; do :; done")
		it.Must(t, hog.Start())
		t.Cleanup(func() { _ = hog.Wait() })
	}
	time.Sleep(time.Second)
	for range 5 {
		refusedPod(t, n, node.PodConfig{Namespace: "nobody", Labels: manyLabels(16000)}, "KiB of labels and annotations")
	}
	c := it.Run(t, n, node.PodConfig{Namespace: "team-a", Labels: manyLabels(400)}, node.ContainerConfig{AddCapabilities: []string{"MKNOD"}, Seccomp: node.SeccompRuntimeDefault})
	stop()
	it.Expect(t, c, "mknod b /tmp/b 7 0", "EPERM")
	if strings.Contains(agent.Log(), "not connected") {
		t.Error("containerd closed the agent")
	}
}

// shares makes a cgroup of v1 with that weight.
func shares(t *testing.T, name string, weight int) string {
	t.Helper()
	dir := fmt.Sprintf("/sys/fs/cgroup/cpu/nodegate-%s-%d", name, os.Getpid())
	it.Must(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() {
		procs, _ := os.ReadFile(dir + "/cgroup.procs")
		for _, pid := range strings.Fields(string(procs)) {
			_ = os.WriteFile("/sys/fs/cgroup/cpu/cgroup.procs", []byte(pid), 0o600) // else it has ended
		}
		it.Must(t, os.Remove(dir))
	})
	it.Must(t, os.WriteFile(dir+"/cpu.shares", []byte(fmt.Sprint(weight)), 0o600))
	return dir
}
