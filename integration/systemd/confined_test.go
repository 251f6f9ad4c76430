// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// A node of systemd-nspawn can do what it could not before, once systemd's unit has the
// properties that nodegate renders: a real systemd starts it, with nspawn's own device
// policy and then with those.
func TestConfinedNode(t *testing.T) {
	switch it.Inside() {
	case "denied":
		nodeIsDenied(t)
		return
	case "allowed":
		nodeIsAllowed(t)
		return
	}
	it.NeedDevices(t, "/dev/fuse")
	n := it.StartNode(t, node.Options{CgroupV2: true})
	mounts := it.InsideMounts(t, n)
	it.Must(t, os.WriteFile(filepath.Join(n.Dir(), "inside/policy.toml"), []byte("version = 1\n"+fuseInCI), 0o600))
	machine := it.Boot(t, n, node.PodConfig{Privileged: true}, node.ContainerConfig{
		Privileged: true, Env: map[string]string{"container": "oci"}, Mounts: mounts,
	})
	it.State(t, machine)
	render := it.InsideBin + "/nodegate render systemd --config " + it.InsideVolume + "/policy.toml"

	// The unit that Debian has for nodes, with the drop-in.
	dropIns := "/etc/systemd/system/systemd-nspawn@.service.d"
	allowed := it.Sh(t, machine, "mkdir -p "+dropIns+" && "+render+" >"+dropIns+"/nodegate.conf && systemctl daemon-reload && systemctl show -P DevicePolicy -P DeviceAllow systemd-nspawn@node.service")
	if !strings.Contains(allowed, "closed") || !strings.Contains(allowed, "/dev/fuse rwm") || !strings.Contains(allowed, "block-loop rw") {
		t.Errorf("the unit with the drop-in: %s", allowed)
	}
	for part, properties := range map[string]string{
		"denied":  "-p DevicePolicy=closed -p 'DeviceAllow=/dev/net/tun rwm'", // nspawn's own, but for disks
		"allowed": it.Sh(t, machine, render+" --command"),
	} {
		said := it.Sh(t, machine, "systemd-run --pipe --wait --quiet -p Delegate=yes "+properties+
			" systemd-nspawn --quiet --keep-unit --register=no --volatile=yes --directory=/ --private-network"+
			" --system-call-filter='add_key keyctl bpf' --bind=/dev/fuse --bind=/nodegate --bind-ro=/etc/alternatives --as-pid2 "+
			strings.Join(it.InsideCommand(t, part), " ")+" && echo done")
		if !strings.HasSuffix(said, "done") {
			t.Errorf("the node that is %s: %s", part, said)
		}
	}
}

// fuseInCI is the policy of the node which is a container, and of the machine that
// starts it.
const fuseInCI = "[[grants]]\nprofiles = [\"fuse\"]\nnamespaces = [\"ci\"]\n"

// nodeIsDenied is the node that nspawn confines: the agent says so, and a pod that gets
// the device finds it so.
func nodeIsDenied(t *testing.T) {
	n := it.StartInside(t, node.Options{CgroupV2: true})
	g, agent := it.StartAgent(t, n, fuseInCI)
	for _, want := range []string{
		"the device cgroup of the node denies what the policy grants: /dev/fuse (c 10:229 rwm) (access R_OK of c 10:229: operation not permitted)",
		"nodegate render systemd",
	} {
		if log := agent.Log(); !strings.Contains(log, want) {
			t.Errorf("the agent's log has no %q:\n%s", want, log)
		}
	}
	_, said, _ := g.Status(t)
	if !strings.Contains(said, "0 of 1 granted can be given here") || !strings.Contains(said, "the device cgroup of the node denies what the policy grants: /dev/fuse (c 10:229 rw)") {
		t.Errorf("status:\n%s", said)
	}
	// runc binds the host's node where it may not make one.
	pod := node.PodConfig{Namespace: "ci", Annotations: it.AskFor("fuse")}
	it.Expect(t, it.Run(t, n, pod, node.ContainerConfig{}), "open /dev/fuse rw", "EPERM")
	pod.UserNamespace = true
	got := it.Refusal(t, it.RunPod(t, n, pod), node.ContainerConfig{})
	if !strings.Contains(got, "cannot be given its devices: making the shadow nodes") ||
		!strings.Contains(got, "mknod "+g.Shadows) || !strings.HasSuffix(got, ": operation not permitted") {
		t.Errorf("refused with %s", got)
	}
}

// nodeIsAllowed is the same node with the properties that its policy needs.
func nodeIsAllowed(t *testing.T) {
	n := it.StartInside(t, node.Options{CgroupV2: true})
	_, agent := it.StartAgent(t, n, fuseInCI)
	if log := agent.Log(); strings.Contains(log, "device cgroup") || strings.Contains(log, "shadow_dir") {
		t.Errorf("the agent's log:\n%s", log)
	}
	for _, userns := range []bool{false, true} {
		c := it.Run(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskFor("fuse")}, node.ContainerConfig{})
		it.ExpectEach(t, c, []it.QA{{"open /dev/fuse rw", "ok"}, {"open /dev/kvm rw", "ENOENT"}})
	}
}
