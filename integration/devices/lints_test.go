// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/config/lint"
	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// Profiles that nodegate check warns of; most are called as the finding is.
const lintedPolicy = `
[profiles.device-on-tmpfs]
tmpfs = ["/scratch"]
devices = [{ path = "/dev/fuse", container_path = "/scratch/fuse", access = "rw", mode = "0666" }]
[profiles.occupied-path]
devices = [{ path = "/dev/fuse", container_path = "/dev/shm/fuse", access = "rw", mode = "0666" }]
[profiles.occupied-pts]
devices = [{ path = "/dev/fuse", container_path = "/dev/pts/fuse", access = "rw", mode = "0666" }]
[profiles.occupied-mqueue]
devices = [{ path = "/dev/fuse", container_path = "/dev/mqueue/fuse", access = "rw", mode = "0666" }]
[profiles.ping-range.sysctls]
"net.ipv4.ping_group_range" = "0 2147483647"
[profiles.unmapped-id]
requires = { user_namespace = true }
devices = [{ path = "/dev/fuse", access = "rw", uid = 70000 }]
[profiles.rule-in-user-namespace]
requires = { user_namespace = true }
device_cgroup_rules = ["c 10:229 rw"]
[[profiles.upper-bits.seccomp]]
syscalls = ["mknodat"]
action = "errno"
errno = "EPERM"
args = [{ index = 2, op = "SCMP_CMP_EQ", value = 0o020666 }]
[[profiles.other-call.seccomp]]
syscalls = ["mknodat"]
action = "errno"
errno = "EPERM"
[[profiles.unknown-syscall.seccomp]]
syscalls = ["mknodatt"]
action = "errno"
errno = "EPERM"
`

// TestLintsAreTrue: what nodegate check warns of is so, on a real node.
func TestLintsAreTrue(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	profiles := []string{"device-on-tmpfs", "occupied-path", "ping-range", "unmapped-id", "rule-in-user-namespace", "upper-bits", "other-call", "unknown-syscall"}
	policy := it.GrantApart(append(profiles, "occupied-pts", "occupied-mqueue")...) + lintedPolicy
	c, err := config.Parse("policy", []byte("version = 1\n"+policy))
	if err != nil {
		t.Fatal(err)
	}
	found := lint.Check(c)
	for _, name := range profiles {
		code := strings.ReplaceAll(name, "-", "_")
		if !slices.ContainsFunc(found, func(f lint.Finding) bool { return f.Code == code }) {
			t.Errorf("nodegate check does not find %s", code)
		}
	}
	n := it.SharedNode(t)
	it.StartAgent(t, n, policy)
	pod := func(userns bool, containers ...string) *node.Pod {
		return it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskForEach(containers...)})
	}
	seccomp := node.SeccompRuntimeDefault

	plain := pod(false, append(profiles, "occupied-pts", "occupied-mqueue")...)
	it.Expect(t, it.RunContainer(t, plain, node.ContainerConfig{Name: "device-on-tmpfs"}), "open /scratch/fuse rw", "EACCES")
	it.Refusal(t, plain, node.ContainerConfig{Name: "occupied-path"})
	for _, name := range []string{"occupied-pts", "occupied-mqueue"} {
		if _, err := plain.RunContainer(t.Context(), node.ContainerConfig{Name: name}); err == nil {
			t.Errorf("%s: the container starts", name)
		}
	}
	it.ExpectEach(t, it.RunContainer(t, plain, node.ContainerConfig{Name: "upper-bits", Seccomp: seccomp}), []it.QA{
		{"mknod c /a 1 3", "EPERM"}, {"mknod -mode-bits 4294967296 c /a 1 3", "ok"}})
	it.ExpectEach(t, it.RunContainer(t, plain, node.ContainerConfig{Name: "other-call", Seccomp: seccomp}), []it.QA{
		{"mknod c /a 1 3", "EPERM"}, {"mknod -call mknod c /a 1 3", "ok"}})
	it.Expect(t, it.RunContainer(t, plain, node.ContainerConfig{Name: "unknown-syscall", Seccomp: seccomp}), "mknod c /a 1 3", "ok")

	bounded := pod(true, profiles...)
	it.Expect(t, it.RunContainer(t, bounded, node.ContainerConfig{Name: "device-on-tmpfs"}), "open /scratch/fuse rw", "ok")
	it.Expect(t, it.RunContainer(t, bounded, node.ContainerConfig{Name: "rule-in-user-namespace"}), "mknod c /a 10 229", "EPERM")
	it.Refusal(t, bounded, node.ContainerConfig{Name: "unmapped-id"})
	if _, err := bounded.RunContainer(t.Context(), node.ContainerConfig{Name: "ping-range"}); err == nil {
		t.Error("ping-range: the container starts")
	}
}
