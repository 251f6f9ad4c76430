// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/node"
)

// firstPod is a unit in the kubelet's place: it runs a pod as soon as systemd lets it.
const firstPod = `[Unit]
Description=in the place of the kubelet
After=containerd.service
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=NODEGATE_INSIDE=first NODEGATE_BIN=` + tests + `
ExecStart=` + tests + `/test -test.run=^TestReboot$ -test.v
[Install]
WantedBy=multi-user.target
`

// After a reboot the agent is there before the kubelet, so that the first pod gets what is
// granted, and nothing is left of the pods from before. This machine has nodegate from a
// package, which is upgraded and purged in the end.
func TestReboot(t *testing.T) {
	switch it.Inside() {
	case "leave":
		leavePod(t)
		return
	case "first":
		firstPodOfAll(t)
		return
	case "swept":
		sweptPods(t)
		return
	}
	t.Parallel()
	m := start(t, machines.Options{})
	before := m.installPackage()
	m.inside("leave")
	if left := m.sh("ls /run/nodegate/decisions /dev/.udev/nodegate"); !strings.Contains(left, ".json") {
		t.Fatalf("the pod that goes on has no record: %s", left)
	}
	m.write("/etc/systemd/system/kubelet.service", firstPod)
	m.sh("systemctl daemon-reload && systemctl enable kubelet && sync")
	it.Must(t, m.Reboot(t.Context()))
	m.becomes("systemctl is-active containerd nodegate kubelet | paste -sd ' '", "active active active")
	if said := m.sh("journalctl --no-pager -q -b -u kubelet -o cat"); !strings.Contains(said, "--- PASS: TestReboot") {
		t.Errorf("the first pod: %s", said)
	}
	m.inOrder("containerd", "nodegate", "kubelet")
	m.inside("swept")
	m.sh("nodegate status --strict && nodegate doctor")
	if left := m.sh("ls -A /run/nodegate/decisions /dev/.udev/nodegate 2>/dev/null | grep -v : || true"); left != "" {
		t.Errorf("left of pods that are gone: %s", left)
	}
	m.upgradePackage()
	m.purgePackage(before)
}

// inOrder sees that each unit was started when the one before it was ready.
func (m *machine) inOrder(units ...string) {
	m.Helper()
	last := 0
	for _, unit := range units {
		out := m.sh("systemctl show " + unit + " -p ExecMainStartTimestampMonotonic -p ActiveEnterTimestampMonotonic --value | sort -n | paste -sd ' '")
		var started, ready int
		if _, err := fmt.Sscan(out, &started, &ready); err != nil {
			m.Fatalf("%s: %v", out, err)
		}
		if started < last {
			m.Errorf("%s was started %d µs before the unit that it follows was ready", unit, last-started)
		}
		last = ready
	}
}

// leavePod is a pod that nobody ends before the machine goes down.
func leavePod(t *testing.T) {
	n, err := node.Attach(t.Context(), node.Options{SystemdCgroup: true}) // not closed, which would end the pod
	it.Must(t, err)
	pod, err := n.RunPod(t.Context(), node.PodConfig{Name: "before", Namespace: "ci", UserNamespace: true, Handler: "nodegate", Annotations: it.AskFor("fuse,ping")})
	it.Must(t, err)
	c, err := pod.RunContainer(t.Context(), node.ContainerConfig{})
	it.Must(t, err)
	it.Expect(t, c, "open /dev/fuse rw", "ok")
}

func firstPodOfAll(t *testing.T) {
	n := attach(t)
	for _, userns := range []bool{false, true} {
		pod := node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskFor("fuse,tun,ping,no-mknod")}
		it.ExpectEach(t, it.Run(t, n, pod, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault}), granted)
	}
}

// sweptPods removes the pods from before as the kubelet does after a reboot.
func sweptPods(t *testing.T) {
	n := attach(t)
	if removed := removeAll(t, n); removed == 0 {
		t.Error("containerd knows no pod from before the reboot")
	}
}
