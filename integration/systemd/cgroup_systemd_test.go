// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"regexp"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// Where systemd makes the pods' cgroups, a container's is a scope in slices, and it is
// handed over like any other. The node is a system of its own for that: a privileged
// pod with systemd as PID 1.
func TestCgroupBySystemd(t *testing.T) {
	if it.Inside() == "node" {
		cgroupBySystemd(t)
		return
	}
	n := it.StartNode(t, node.Options{CgroupV2: true})
	it.NeedNSDelegate(t)
	it.StartAgent(t, n, it.GrantApart("systemd"))
	machine := it.Boot(t, n, node.PodConfig{Namespace: "ci", Privileged: true, Annotations: it.AskFor("systemd")},
		node.ContainerConfig{Privileged: true, Mounts: it.InsideMounts(t, n)})
	if got := it.State(t, machine); got != "running" {
		t.Fatalf("the machine is %s", got)
	}
	said := it.Sh(t, machine, "systemd-run --pipe --wait --quiet -p Delegate=yes "+strings.Join(it.InsideCommand(t, "node"), " ")+" && echo done")
	if !strings.HasSuffix(said, "done") {
		t.Errorf("the node's part: %s", said)
	}
}

// cgroupBySystemd is the node's part.
func cgroupBySystemd(t *testing.T) {
	n := it.StartInside(t, node.Options{CgroupV2: true, SystemdCgroup: true})
	it.StartAgent(t, n, it.Delegating)
	c := it.Run(t, n, it.InUserNamespace(it.AsksForCgroup), node.ContainerConfig{})
	slice := regexp.MustCompile(`^/nodegate-\d+-besteffort-poduid_\d+\.slice:cri-containerd:|^nodegate-\d+-besteffort-poduid_\d+\.slice:cri-containerd:`)
	if path := it.SpecOf(t, c).Linux.CgroupsPath; !slice.MatchString(path) {
		t.Fatalf("the cgroup is not systemd's: %s", path)
	}
	it.ExpectEach(t, c, []it.QA{
		{"write /sys/fs/cgroup/cgroup.max.descendants 7", "EACCES"},
		{"mkdir /sys/fs/cgroup/child", "ok"},
		{"write /sys/fs/cgroup/child/cgroup.procs 0", "ok"},
	})
	it.ExpectDelegated(t, c, "/sys/fs/cgroup", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads")
	it.ExpectNotDelegated(t, c, "/sys/fs/cgroup", "cgroup.max.depth", "cgroup.kill", "cgroup.type")
}
