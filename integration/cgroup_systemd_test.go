// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"regexp"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// Where systemd makes the pods' cgroups, a container's is a scope in slices, and it is
// handed over like any other. The node is a system of its own for that: a privileged
// pod with systemd as PID 1.
func TestCgroupBySystemd(t *testing.T) {
	if inside() == "node" {
		cgroupBySystemd(t)
		return
	}
	n := startNode(t, node.Options{CgroupV2: true})
	setNSDelegate(t, true)
	startAgent(t, n, grantApart("systemd"))
	machine := boot(t, n, node.PodConfig{Namespace: "ci", Privileged: true, Annotations: askFor("systemd")},
		node.ContainerConfig{Privileged: true, Mounts: insideMounts(t, n)})
	if got := state(t, machine); got != "running" {
		t.Fatalf("the machine is %s", got)
	}
	said := sh(t, machine, "systemd-run --pipe --wait --quiet -p Delegate=yes "+strings.Join(insideCommand(t, "node"), " ")+" && echo done")
	if !strings.HasSuffix(said, "done") {
		t.Errorf("the node's part: %s", said)
	}
}

// cgroupBySystemd is the node's part.
func cgroupBySystemd(t *testing.T) {
	n := startInside(t, node.Options{CgroupV2: true, SystemdCgroup: true})
	startAgent(t, n, delegating)
	c := run(t, n, inUserNamespace(asksForCgroup), node.ContainerConfig{})
	slice := regexp.MustCompile(`^/nodegate-\d+-besteffort-poduid_\d+\.slice:cri-containerd:|^nodegate-\d+-besteffort-poduid_\d+\.slice:cri-containerd:`)
	if path := specOf(t, c).Linux.CgroupsPath; !slice.MatchString(path) {
		t.Fatalf("the cgroup is not systemd's: %s", path)
	}
	expectEach(t, c, []qa{
		{"write /sys/fs/cgroup/cgroup.max.descendants 7", "EACCES"},
		{"mkdir /sys/fs/cgroup/child", "ok"},
		{"write /sys/fs/cgroup/child/cgroup.procs 0", "ok"},
	})
	expectDelegated(t, c, "/sys/fs/cgroup", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads")
	expectNotDelegated(t, c, "/sys/fs/cgroup", "cgroup.max.depth", "cgroup.kill", "cgroup.type")
}
