// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// limitsPolicy raises no limit above the hard one of this machine's root, who may lack
// CAP_SYS_RESOURCE. Where it has it, memlock is unlimited.
func limitsPolicy(t *testing.T) (policy, memlock string) {
	t.Helper()
	memlock = "unlimited"
	text := `"unlimited"`
	var r unix.Rlimit
	it.Must(t, unix.Getrlimit(unix.RLIMIT_MEMLOCK, &r))
	if r.Max != unix.RLIM_INFINITY && !mayRaise(t) {
		memlock = fmt.Sprint(r.Max)
		text = fmt.Sprint(r.Max)
	}
	return it.GrantApart("dpdk", "nofile", "shm") + fmt.Sprintf(`
[profiles]
dpdk.rlimits = { memlock = %s }
nofile.rlimits = { nofile = "2000", core = 0 }
shm.tmpfs = [{ path = "/dev/shm", size = "32Mi" }]
`, text), memlock
}

// mayRaise reports whether root of this machine may raise hard limits.
func mayRaise(t *testing.T) bool {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	it.Must(t, unix.Capget(&header, &data[0]))
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// Limits reach the container's process, whoever it runs as.
func TestRlimits(t *testing.T) {
	n := it.SharedNode(t)
	policy, memlock := limitsPolicy(t)
	it.StartAgent(t, n, policy)
	for name, userns := range map[string]bool{"plain": false, "user namespace": true} {
		t.Run(name, func(t *testing.T) {
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskForEach("dpdk", "nofile")})
			if userns && !mayRaise(t) {
				// Nobody may set a limit there without CAP_SYS_RESOURCE: that the OCI
				// runtime tried is what can be seen.
				_, err := p.RunContainer(t.Context(), node.ContainerConfig{Name: "dpdk"})
				if err == nil || !strings.Contains(err.Error(), "error setting rlimit type 8: operation not permitted") {
					t.Errorf("got %v", err)
				}
				return
			}
			for _, uid := range []int64{0, 1000} {
				c := it.RunContainer(t, p, node.ContainerConfig{Name: "dpdk", RunAsUser: &uid})
				it.Expect(t, c, "limit memlock", memlock+":"+memlock)
				it.Must(t, c.Remove(t.Context()))
			}
			c := it.RunContainer(t, p, node.ContainerConfig{Name: "nofile", RunAsUser: new(int64(1000))})
			it.ExpectEach(t, c, []it.QA{{"limit nofile", "2000:2000"}, {"limit core", "0:0"}})
		})
	}
}

// The runtime's own /dev/shm becomes what the profile says; a volume stays.
func TestSharedMemorySize(t *testing.T) {
	n := it.SharedNode(t)
	policy, _ := limitsPolicy(t)
	it.StartAgent(t, n, policy)
	for name, userns := range map[string]bool{"plain": false, "user namespace": true} {
		t.Run(name, func(t *testing.T) {
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskFor("shm")})
			c := it.RunContainer(t, p, node.ContainerConfig{Name: "sized", RunAsUser: new(int64(1000))})
			it.ExpectEach(t, c, []it.QA{{"size /dev/shm", fmt.Sprint(32 << 20)}, {"mkdir /dev/shm/a", "ok"}})
			if mounts := it.Ask(t, c, "cat /proc/self/mountinfo")[0]; strings.Count(mounts, " /dev/shm ") != 1 {
				t.Errorf("mounts: %s", mounts)
			}
			own := it.RunContainer(t, p, node.ContainerConfig{Name: "volume", Mounts: []node.Mount{{HostPath: t.TempDir(), ContainerPath: "/dev/shm"}}})
			if size := it.Ask(t, own, "size /dev/shm")[0]; size == fmt.Sprint(32<<20) {
				t.Errorf("the pod's own volume became %s bytes", size)
			}
		})
	}
}
