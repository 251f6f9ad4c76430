// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

func TestCgroup(t *testing.T) {
	var unknown policy.Known[policy.Cgroup]
	v2 := policy.Cgroup{Version: policy.CgroupV2, Mount: "/sys/fs/cgroup", NSDelegate: nsdelegate(t)}
	readOnly := v2
	readOnly.ReadOnly = true
	for _, c := range []struct {
		name string
		set  func(t *testing.T, at string)
		want policy.Known[policy.Cgroup]
	}{
		{"unified", func(t *testing.T, at string) { mount(t, "cgroup2", at, 0, "") }, policy.Is(v2)},
		{"unified, read-only", func(t *testing.T, at string) {
			mount(t, "cgroup2", at, 0, "")
			mount(t, "", at, unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
		}, policy.Is(readOnly)},
		{"systemd's hierarchy", func(t *testing.T, at string) {
			mount(t, "tmpfs", at, 0, "")
			mkdir(t, at+"/a-controller")
			mount(t, "cgroup", at+"/a-controller", 0, "none,name=nodegate-test")
			mkdir(t, at+"/systemd")
			mount(t, "cgroup", at+"/systemd", 0, "none,name=systemd")
		}, policy.Is(policy.Cgroup{Version: policy.CgroupV1, Mount: "/sys/fs/cgroup/systemd"})},
		{"legacy", func(t *testing.T, at string) {
			mount(t, "tmpfs", at, 0, "")
			mkdir(t, at+"/named")
			mount(t, "cgroup", at+"/named", 0, "none,name=nodegate-test")
		}, policy.Is(policy.Cgroup{Version: policy.CgroupV1})},
		{"hybrid", func(t *testing.T, at string) {
			mount(t, "tmpfs", at, 0, "")
			mkdir(t, at+"/named")
			mount(t, "cgroup", at+"/named", 0, "none,name=nodegate-test")
			mkdir(t, at+"/unified")
			mount(t, "cgroup2", at+"/unified", 0, "")
		}, policy.Is(policy.Cgroup{Version: policy.CgroupV1})},
		{"tmpfs without a controller", func(t *testing.T, at string) {
			mount(t, "tmpfs", at, 0, "")
			mkdir(t, at+"/unified")
			mount(t, "cgroup2", at+"/unified", 0, "")
		}, unknown},
		{"not mounted", func(*testing.T, string) {}, unknown},
		{"missing", func(t *testing.T, at string) { must(t, unix.Rmdir(at)) }, unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			ownThread(t)
			root := t.TempDir()
			mkdir(t, root+"/sys/fs/cgroup")
			c.set(t, root+"/sys/fs/cgroup")
			if got := newHost(t, root).Cgroup(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestCgroupOfThisMachine(t *testing.T) {
	got := newHost(t, "/").Cgroup()
	if !got.OK {
		cannot(t, "this machine has no cgroups at /sys/fs/cgroup")
	}
	t.Logf("%+v", got.Value)
}

// nsdelegate tells how the machine's one cgroup v2 hierarchy is mounted, from
// the table of mounts as anybody may read it.
func nsdelegate(t *testing.T) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/1/mounts")
	must(t, err)
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); f[2] == "cgroup2" {
			return slices.Contains(strings.Split(f[3], ","), "nsdelegate")
		}
	}
	return false
}
