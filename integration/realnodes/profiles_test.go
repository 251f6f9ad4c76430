// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/node"
)

// profilesPolicy has, beside the built-in profiles, two that give the same as "fuse-mount"
// without a word of AppArmor or with another one.
const profilesPolicy = `version = 1
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
`

// The AppArmor profiles of containers: containerd's default, and the one of profiles that
// mount.
const (
	defaultAppArmor = "cri-containerd.apparmor.d (enforce)\n"
	mountsAppArmor  = "nodegate-mounts (enforce)\n"
)

// confines asks which AppArmor profile a process has that exec starts: it is confined as the
// container is.
const confines = "cat /proc/self/attr/current"

// gives is what a container with a profile finds, and keeps: with all capabilities dropped
// unless it says otherwise. No answers: it is refused, for the lack of a user namespace.
type gives struct {
	plain, userNamespace []it.QA
	capabilities         bool
}

func same(capabilities bool, answers ...it.QA) gives {
	all := append(answers, it.QA{confines, defaultAppArmor})
	return gives{all, all, capabilities}
}

// builtIns are the built-in profiles. A pod's containers share /dev/shm: each makes other
// files there.
var builtIns = map[string]gives{
	"ping":    same(false, it.QA{"ping 127.0.0.1", "reply from 127.0.0.1"}),
	"fuse":    same(false, it.QA{"open /dev/fuse rw", "ok"}),
	"tun":     same(false, it.QA{"open /dev/net/tun rw", "ok"}),
	"kvm":     same(false, it.QA{"open /dev/kvm rw", "ok"}),
	"systemd": same(true, it.QA{"mkdir /sys/fs/cgroup/own", "ok"}, it.QA{"mkdir /run/lock/own", "ok"}),
	"no-mknod": same(true, it.QA{"mknod c /dev/shm/null 1 3", "EPERM"}, it.QA{"mknod b /dev/shm/block 7 0", "EPERM"},
		it.QA{"mknod c /dev/shm/white 0 0", "ok"}),
	"mknod": {
		plain:         []it.QA{{"mknod c /dev/shm/null 1 3", "ok"}, {confines, defaultAppArmor}},
		userNamespace: []it.QA{{"mknod c /dev/shm/null 1 3", "EPERM"}, {"mknod c /dev/shm/whiteout 0 0", "ok"}, {confines, defaultAppArmor}},
	},
	"fuse-mount": {userNamespace: []it.QA{{"mount-fuse /dev/shm", "ok"}, {confines, mountsAppArmor}}},
	"nested": {capabilities: true,
		userNamespace: []it.QA{{"mount-fuse /dev/shm", "ok"}, {"mount tmpfs /dev/shm", "ok"}, {"mkdir /sys/fs/cgroup/own", "ok"}, {confines, mountsAppArmor}}},
}

// Where AppArmor enforces, each built-in profile gives what it promises, in pods with and
// without a user namespace, and the recipes do what their page says.
func TestProfiles(t *testing.T) {
	switch it.Inside() {
	case "pods":
		n := attach(t)
		t.Run("each", func(t *testing.T) { eachProfile(t, n) })
		t.Run("AppArmor", func(t *testing.T) { appArmorPods(t, n) })
		return
	case "recipes":
		recipePods(t)
		return
	case "systemd":
		systemdPods(t)
		return
	}
	t.Parallel()
	m := start(t, machines.Options{})
	m.install()
	if got := m.sh("grep -c nodegate-mounts /sys/kernel/security/apparmor/profiles"); got != "1" {
		t.Errorf("profiles loaded: %s", got)
	}
	m.cooks()
	m.policy(profilesPolicy + it.GrantApart(slices.Concat([]string{"bare", "free", "absent"}, slices.Sorted(maps.Keys(builtIns)))...))
	// The kernel's KVM does not start on an emulated processor: the pods get another device
	// at its path.
	m.sh("rm -f /dev/kvm && mknod -m 0660 /dev/kvm c 1 3")
	m.inside("pods")
	m.inside("systemd")
	m.nothingLeft()
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

// eachProfile runs a pod with a user namespace and one without, of a container for each
// built-in profile.
func eachProfile(t *testing.T, n *node.Node) {
	c, err := config.Parse("config.toml", []byte("version = 1\n"))
	it.Must(t, err)
	for _, p := range c.Profiles {
		if _, ok := builtIns[p.Name]; !ok {
			t.Errorf("the built-in profile %q is not tried", p.Name)
		}
	}
	for _, userns := range []bool{false, true} {
		t.Run(fmt.Sprintf("user namespace %v", userns), func(t *testing.T) {
			t.Parallel()
			pod := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Handler: "nodegate", Annotations: it.AskForEach(slices.Collect(maps.Keys(builtIns))...)})
			for name, profile := range builtIns {
				want := profile.plain
				if userns {
					want = profile.userNamespace
				}
				profileContainer(t, pod, name, profile.capabilities, want)
			}
		})
	}
}

func profileContainer(t *testing.T, pod *node.Pod, profile string, capabilities bool, want []it.QA) {
	t.Helper()
	container := node.ContainerConfig{Name: profile, Seccomp: node.SeccompRuntimeDefault}
	if !capabilities {
		container.DropCapabilities = []string{"ALL"}
	}
	if want == nil {
		refusal := fmt.Sprintf("would get profile %q, which requires a user namespace", profile)
		if got := it.Refusal(t, pod, container); !strings.Contains(got, refusal) {
			t.Errorf("profile %q in a plain pod: refused with %s", profile, got)
		}
		return
	}
	it.ExpectEach(t, it.RunContainer(t, pod, container), want)
}

// appArmorPods: the same profile mounts where its container is unconfined, and does not
// below containerd's AppArmor profile. One that is not loaded refuses the container.
func appArmorPods(t *testing.T, n *node.Node) {
	pod := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true, Handler: "nodegate", Annotations: it.AskForEach("free", "bare", "absent")})
	for profile, want := range map[string][]it.QA{
		"free": {{confines, "unconfined\n"}, {"mount-fuse /dev/shm", "ok"}},
		"bare": {{confines, defaultAppArmor}, {"mount-fuse /dev/shm", "EACCES"}},
	} {
		it.ExpectEach(t, it.RunContainer(t, pod, node.ContainerConfig{Name: profile, Seccomp: node.SeccompRuntimeDefault}), want)
	}
	const refusal = `would get the AppArmor profile "not-loaded" by profile "absent", which this node has not loaded: load it there with apparmor_parser -r`
	if got := it.Refusal(t, pod, node.ContainerConfig{Name: "absent"}); !strings.Contains(got, refusal) {
		t.Errorf("refused with %q", got)
	}
}
