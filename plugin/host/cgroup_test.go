// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

func TestCgroupVersion(t *testing.T) {
	var unknown policy.Known[policy.CgroupVersion]
	for _, c := range []struct {
		name string
		set  func(t *testing.T, at string)
		want policy.Known[policy.CgroupVersion]
	}{
		{"unified", func(t *testing.T, at string) { mount(t, "cgroup2", at, 0, "") }, policy.Is(policy.CgroupV2)},
		{"legacy", func(t *testing.T, at string) {
			mount(t, "tmpfs", at, 0, "")
			mkdir(t, at+"/named")
			mount(t, "cgroup", at+"/named", 0, "none,name=nodegate-test")
		}, policy.Is(policy.CgroupV1)},
		{"hybrid", func(t *testing.T, at string) {
			mount(t, "tmpfs", at, 0, "")
			mkdir(t, at+"/named")
			mount(t, "cgroup", at+"/named", 0, "none,name=nodegate-test")
			mkdir(t, at+"/unified")
			mount(t, "cgroup2", at+"/unified", 0, "")
		}, policy.Is(policy.CgroupV1)},
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
			if got := newHost(t, root).CgroupVersion(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestCgroupVersionOfThisMachine(t *testing.T) {
	got := newHost(t, "/").CgroupVersion()
	if !got.OK {
		cannot(t, "this machine has no cgroups at /sys/fs/cgroup")
	}
	t.Logf("cgroup %s", got.Value)
}
