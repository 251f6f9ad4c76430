// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/containerd/nri/pkg/api"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// mountedUserNamespace returns the path of a user namespace in which no process
// is, as CRI-O makes one for a pod without an infra container.
func mountedUserNamespace(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 1000}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "userns")
	err := os.WriteFile(at, nil, 0o600)
	if err == nil {
		err = unix.Mount("/proc/"+strconv.Itoa(cmd.Process.Pid)+"/ns/user", at, "", unix.MS_BIND, "")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	return at
}

// CRI-O drops a pod's infra container: the pod has no process, and lists the
// node's own network namespace by a path like any other.
func TestCRIORequests(t *testing.T) {
	needRoot(t)
	const text = `version = 1
[[grants]]
namespaces = ["ci"]
profiles = ["ping", "sem"]
[profiles.sem.sysctls]
"kernel.sem" = "1 2 3 4"
`
	c, err := config.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	own := func(kind string) *api.LinuxNamespace {
		return &api.LinuxNamespace{Type: kind, Path: "/run/" + kind + "ns/2f1c"}
	}
	user := &api.LinuxNamespace{Type: "user", Path: mountedUserNamespace(t)}
	gone := &api.LinuxNamespace{Type: "user", Path: "/run/userns/gone"}
	for name, tc := range map[string]struct {
		profile    string
		namespaces []*api.LinuxNamespace // the container's
		code       policy.Code
		sysctl     string
	}{
		"a namespace of the pod's own":      {"ping", []*api.LinuxNamespace{own("network"), own("ipc")}, "", "0 2147483647"},
		"the node's network":                {"ping", []*api.LinuxNamespace{own("ipc"), own("uts")}, policy.HostNamespace, ""},
		"an ipc namespace that is not seen": {"sem", []*api.LinuxNamespace{own("network"), own("ipc")}, policy.UnknownFact, ""},
		"the node's ipc namespace":          {"sem", []*api.LinuxNamespace{own("network")}, policy.HostNamespace, ""},
		"no namespaces":                     {"ping", nil, policy.UnknownFact, ""},
		"a user namespace":                  {"ping", []*api.LinuxNamespace{own("network"), user}, "", "0 999"},
		"a user namespace that is gone":     {"ping", []*api.LinuxNamespace{own("network"), gone}, policy.UnknownFact, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestPlugin(t, t.TempDir())
			p.SetPolicy(t.Context(), c.Policy)
			r := runtimes.Of(runtimes.CRIO, "1.37.0", "")
			p.runtime.Store(&r)
			pod := testPod(tc.profile)
			pod.Pid, pod.Linux.Namespaces = 0, []*api.LinuxNamespace{own("network"), own("ipc"), own("uts")}
			if tc.namespaces == nil {
				pod.Linux = nil
			}
			ctr := testContainer("c")
			ctr.Linux.Namespaces = tc.namespaces
			adjust, _, err := p.CreateContainer(t.Context(), pod, ctr)
			var refusal *policy.Refusal
			switch {
			case tc.code != "":
				if !errors.As(err, &refusal) || refusal.Code != tc.code {
					t.Errorf("%v, %v; want %s", adjust, err, tc.code)
				}
			case err != nil || adjust.GetLinux().GetSysctl()["net.ipv4.ping_group_range"] != tc.sysctl:
				t.Errorf("%v, %v; want %q", adjust, err, tc.sysctl)
			}
		})
	}
}
