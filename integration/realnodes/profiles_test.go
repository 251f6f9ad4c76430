// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/node"
)

// mountPolicy has the built-in profiles, and two that give the same without a word of
// AppArmor or with another one.
const mountPolicy = `version = 1
[profiles.bare]
include = ["fuse"]
requires = { user_namespace = true }
[profiles.bare.capabilities]
add = ["SYS_ADMIN"]
[[profiles.bare.seccomp]]
syscalls = ["mount", "umount2"]
action = "allow"
[profiles.free]
include = ["bare"]
apparmor = "unconfined"
[profiles.absent]
apparmor = "not-loaded"
[profiles.podman]
rlimits = { nofile = "1048576" }
[profiles.dpdk]
rlimits = { memlock = "unlimited" }
[[grants]]
namespaces = ["ci"]
profiles = ["nested"]
[[grants]]
namespaces = ["ci"]
profiles = ["fuse-mount"]
[[grants]]
namespaces = ["ci"]
profiles = ["bare"]
[[grants]]
namespaces = ["ci"]
profiles = ["free"]
[[grants]]
namespaces = ["ci"]
profiles = ["absent"]
[[grants]]
namespaces = ["ci"]
profiles = ["podman"]
[[grants]]
namespaces = ["ci"]
profiles = ["dpdk"]
`

// Where AppArmor enforces, the built-in profiles mount, and the same without an AppArmor
// profile does not.
func TestAppArmor(t *testing.T) {
	if it.Inside() == "pods" {
		appArmorPods(t)
		return
	}
	m := start(t, machines.Options{})
	m.install()
	m.write("/etc/nodegate/config.toml", mountPolicy)
	m.sh("nodegate check && systemctl reload nodegate && until nodegate status --strict >/dev/null 2>&1; do sleep 0.2; done")
	if got := m.sh("grep -c nodegate-mounts /sys/kernel/security/apparmor/profiles"); got != "1" {
		t.Errorf("profiles loaded: %s", got)
	}
	m.inside("pods")
	// As an init container of the chart does it, which sees the node's root at a folder.
	m.sh("apparmor_parser -R /etc/apparmor.d/nodegate-mounts && rm /etc/apparmor.d/nodegate-mounts && mkdir /host && mount --rbind / /host && mount --make-rslave /host")
	if got := m.sh("nodegate install --root /host --no-agent >/dev/null && grep -c nodegate-mounts /sys/kernel/security/apparmor/profiles; systemctl is-failed nodegate-apparmor || true"); got != "1\ninactive" {
		t.Errorf("from a folder: %s", got)
	}
	m.sh("umount -l /host && rmdir /host")
	m.sh("nodegate uninstall --purge --restart")
	if got := m.sh("grep -c nodegate-mounts /sys/kernel/security/apparmor/profiles || true; ls /etc/apparmor.d/nodegate-mounts 2>&1 | grep -c 'No such'"); got != "0\n1" {
		t.Errorf("after uninstall: %s", got)
	}
}

func appArmorPods(t *testing.T) {
	n := attach(t)
	// Asked in processes that exec starts: they are confined as the container is.
	for profile, want := range map[string][]it.QA{
		"nested": {{"cat /proc/self/attr/current", "nodegate-mounts (enforce)\n"}, {"mount tmpfs /dev/shm", "ok"},
			{"mount-fuse /dev/shm", "ok"}},
		"fuse-mount": {{"cat /proc/self/attr/current", "nodegate-mounts (enforce)\n"}, {"mount-fuse /dev/shm", "ok"}},
		"free":       {{"cat /proc/self/attr/current", "unconfined\n"}, {"mount-fuse /dev/shm", "ok"}},
		"bare":       {{"cat /proc/self/attr/current", "cri-containerd.apparmor.d (enforce)\n"}, {"mount-fuse /dev/shm", "EACCES"}},
	} {
		pod := node.PodConfig{Namespace: "ci", UserNamespace: true, Handler: "nodegate", Annotations: it.AskFor(profile)}
		it.ExpectEach(t, it.Run(t, n, pod, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault}), want)
	}
	limits(t, n)
	p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true, Handler: "nodegate", Annotations: it.AskFor("absent")})
	const refusal = `would get the AppArmor profile "not-loaded" by profile "absent", which this node has not loaded: load it there with apparmor_parser -r`
	if got := it.Refusal(t, p, node.ContainerConfig{}); !strings.Contains(got, refusal) {
		t.Errorf("refused with %q", got)
	}
}

// limits sees limits above those of containerd's own unit, for root and for another user,
// with a user namespace and without, by NRI and by the wrapper: what podman needs for
// "nested", and what DPDK does.
func limits(t *testing.T, n *node.Node) {
	t.Helper()
	for _, handler := range []string{"", "nodegate"} {
		for _, userns := range []bool{false, true} {
			ask := "podman, dpdk"
			if handler != "" && userns {
				ask += ", nested"
			}
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Handler: handler, Annotations: it.AskFor(ask)})
			for name, uid := range map[string]int64{"root": 0, "user": 1000} {
				c := it.RunContainer(t, p, node.ContainerConfig{Name: name, RunAsUser: &uid, Seccomp: node.SeccompRuntimeDefault})
				it.ExpectEach(t, c, []it.QA{{"limit nofile", "1048576:1048576"}, {"limit memlock", "unlimited:unlimited"}})
			}
			it.Remove(t, p)
		}
	}
}
