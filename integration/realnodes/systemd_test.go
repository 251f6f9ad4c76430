// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

const (
	mib         = 1 << 20
	memoryLimit = 128 * mib
)

// raises tries ways out of the pod's limits as its root, and prints those that worked.
const raises = `try() { (eval "$1") 2>/dev/null && echo "$1"; }
try 'echo max >/sys/fs/cgroup/memory.max'
try 'echo 1G >/sys/fs/cgroup/memory.max'
try 'echo max >/sys/fs/cgroup/memory.swap.max'
try 'echo max >/sys/fs/cgroup/pids.max'
try 'mount -o remount,rw /sys'
try 'mkdir -p /mnt/c && mount -t cgroup2 none /mnt/c'
true`

// systemdPods: systemd runs in a pod on a node with the real controllers of cgroup v2.
func systemdPods(t *testing.T) {
	n := attach(t)
	for _, userns := range []bool{false, true} {
		t.Run(fmt.Sprintf("user namespace %v", userns), func(t *testing.T) {
			t.Parallel()
			systemdPod(t, n, userns)
		})
	}
}

// systemdPod is a system with a memory limit: it holds, is not the pod's to raise, and a
// unit may have a lower one of its own.
func systemdPod(t *testing.T, n *node.Node, userns bool) {
	c := it.Run(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskFor("systemd")}, node.ContainerConfig{
		Image: node.ImageName(it.SystemdImage), Seccomp: node.SeccompRuntimeDefault,
		Resources: &runtimeapi.LinuxContainerResources{CpuPeriod: 100000, CpuShares: 2, MemoryLimitInBytes: memoryLimit, OomScoreAdj: 1000},
	})
	handedDown(t, c, "memory")
	if got := it.State(t, c); got != "running" {
		t.Fatalf("the system is %s\n%s", got, it.Sh(t, c, "journalctl -b --no-pager | tail -40"))
	}
	const limited = "cat /sys/fs/cgroup/memory.max"
	if got := it.Sh(t, c, limited); got != fmt.Sprint(memoryLimit) {
		t.Errorf("memory.max: %s", got)
	}
	if worked := it.Sh(t, c, raises); worked != "" {
		t.Errorf("the pod's root got past its limits: %s", worked)
	}
	for _, unit := range []struct{ limit, uses int }{{48, 8}, {16, 48}} {
		got := it.Sh(t, c, fmt.Sprintf("systemd-run -q --wait --pipe -p MemoryMax=%dM sh -c '%s' 2>&1", unit.limit, uses(unit.uses)))
		if used := got == fmt.Sprint(unit.uses*mib); used != (unit.uses < unit.limit) {
			t.Errorf("a unit that may use %d MiB, and wants %d, says %q", unit.limit, unit.uses, got)
		}
	}
	if got := it.Sh(t, c, uses(200)); strings.Contains(got, fmt.Sprint(200*mib)) {
		t.Errorf("the pod used more than its limit: %s", got)
	}
	if got := it.Sh(t, c, limited); got != fmt.Sprint(memoryLimit) {
		t.Errorf("memory.max has become %s", got)
	}
}

// uses is a script that keeps so many MiB in memory and then says so: tail cannot know
// before its input ends which bytes are the last ones.
func uses(n int) string { return fmt.Sprintf("head -c %[1]dM /dev/zero | tail -c %[1]dM | wc -c", n) }

// handedDown waits until the system has handed a controller down to its units. Nothing may
// be executed in the container before: the process would be in the container's cgroup
// itself, from which the kernel hands nothing down as long as a process is there.
func handedDown(t *testing.T, c *node.Container, controller string) {
	t.Helper()
	pid, err := c.Pid()
	it.Must(t, err)
	for until := time.Now().Add(limit); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		of, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		it.Must(t, err)
		own, ok := strings.CutSuffix(strings.TrimSpace(string(of)), "/init.scope")
		if !ok {
			continue // systemd has not begun
		}
		below, err := os.ReadFile("/sys/fs/cgroup" + strings.TrimPrefix(own, "0::") + "/cgroup.subtree_control")
		it.Must(t, err)
		if slices.Contains(strings.Fields(string(below)), controller) {
			return
		}
	}
	t.Fatalf("the controller %s is not handed down", controller)
}
