// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDecideCgroup(t *testing.T) {
	node := func(c Cgroup) func(*Facts) {
		return func(f *Facts) { f.Host.Cgroup, f.Container.User = Is(c), Is(User{}) }
	}
	v2 := Cgroup{Version: CgroupV2, Mount: "/sys/fs/cgroup"}
	v1 := Cgroup{Version: CgroupV1, Mount: "/sys/fs/cgroup/systemd"}
	delegating, readOnly, nameless := v2, v2, v1
	delegating.NSDelegate, readOnly.ReadOnly, nameless.Mount = true, true, ""
	profiles := []Profile{{Name: "a", CgroupWritable: true}}
	mounted := func(at, source, kind string, more ...string) []specs.Mount {
		return []specs.Mount{{Destination: at, Type: kind, Source: source, Options: append([]string{"nosuid", "noexec", "nodev", "relatime", "rw"}, more...)}}
	}
	own := []specs.LinuxNamespaceType{specs.CgroupNamespace}
	unified := mounted("/sys/fs/cgroup", "cgroup", "cgroup")
	named := mounted("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/systemd/k8s.io/c0ffee", "bind", "bind")
	in := func(path string) func(*Facts) { return func(f *Facts) { f.Container.CgroupsPath = path } }
	occupied := func(at, kind string) func(*Facts) {
		return func(f *Facts) { f.Container.Mounts = []specs.Mount{{Destination: at, Type: kind}} }
	}
	const lead = `would get a writable cgroup by profile "a", `
	runDecide(t, []decideCase{
		{name: "v2, user namespace", profiles: profiles, facts: and(inUserNamespace, node(v2)), want: Adjustment{Namespaces: own, Mounts: unified,
			Cgroup: &CgroupDelegation{Path: "/sys/fs/cgroup/k8s.io/c0ffee", UID: 100000, GID: 200000}}},
		{name: "v2, a cgroup namespace already", profiles: profiles, facts: and(inUserNamespace, node(v2), func(f *Facts) {
			f.Container.Namespaces = []specs.LinuxNamespace{{Type: "cgroup"}}
		}), want: Adjustment{Mounts: unified, Cgroup: &CgroupDelegation{Path: "/sys/fs/cgroup/k8s.io/c0ffee", UID: 100000, GID: 200000}}},
		{name: "v2, another's cgroup namespace", profiles: profiles, facts: and(node(delegating), func(f *Facts) {
			f.Container.Namespaces = []specs.LinuxNamespace{{Type: "cgroup", Path: "/proc/1/ns/cgroup"}}
		}), want: Adjustment{Mounts: unified, Namespaces: own}},
		{name: "v2 with nsdelegate, no user namespace", profiles: profiles, facts: node(delegating), want: Adjustment{Namespaces: own, Mounts: unified}},
		{name: "v2 without it", profiles: profiles, facts: node(v2), code: Unmet, refusal: lead + "which without a user namespace is safe only where cgroup2 is mounted with nsdelegate: set hostUsers: false in the pod's spec, or mount it so on the node (mount -o remount,nsdelegate /sys/fs/cgroup)"},
		{name: "v1, user namespace", profiles: profiles, facts: and(inUserNamespace, node(v1)), want: Adjustment{Namespaces: own, Mounts: named,
			Cgroup: &CgroupDelegation{Path: "/sys/fs/cgroup/systemd/k8s.io/c0ffee", UID: 100000, GID: 200000}}},
		{name: "v1, no user namespace", profiles: profiles, facts: node(v1), want: Adjustment{Namespaces: own, Mounts: named}},
		{name: "v1 without the named hierarchy", profiles: profiles, facts: and(inUserNamespace, node(nameless)), code: Unmet,
			refusal: lead + "for which a node with cgroup v1 needs the hierarchy named systemd: mount it there (mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd), or use cgroup v2"},
		{name: "no cgroups", profiles: profiles, facts: func(f *Facts) { f.Host.Cgroup.OK = false }, code: UnknownFact, refusal: lead + "and no cgroups were found at /sys/fs/cgroup of the node"},
		{name: "read-only", profiles: profiles, facts: and(inUserNamespace, node(readOnly)), code: Internal,
			refusal: lead + "and nodegate cannot write to /sys/fs/cgroup of the node: mount it read-write for the agent"},
		{name: "a volume there", profiles: profiles, facts: and(inUserNamespace, occupied("sys/fs/cgroup/", "bind")), code: Occupied,
			refusal: lead + "and mounts something of its own at /sys/fs/cgroup: take that mount out of the pod's spec"},
		{name: "a volume in it", profiles: profiles, facts: and(inUserNamespace, occupied("/sys/fs/cgroup/systemd", "bind")), code: Occupied,
			refusal: lead + "and mounts something of its own at /sys/fs/cgroup/systemd: take that mount out of the pod's spec"},
		{name: "the runtime's own mount", profiles: profiles, facts: and(node(delegating), occupied("/sys/fs/cgroup", "cgroup")), want: Adjustment{Namespaces: own, Mounts: unified}},
		{name: "no path", profiles: profiles, facts: and(inUserNamespace, in("")), code: UnknownFact, refusal: lead + "and its cgroup is not known: the runtime does not tell which it is"},
		{name: "another's path", profiles: profiles, facts: and(inUserNamespace, in("/k8s.io/another")), code: UnknownFact,
			refusal: lead + `and its cgroup is not known: "/k8s.io/another" does not name the container c0ffee`},
		{name: "no map", profiles: profiles, facts: and(inUserNamespace, func(f *Facts) { f.Host.UIDMap = idMap() }), code: Unmapped,
			refusal: "would get a writable cgroup, and the id of its root on the node 0 is not in the pod's id map"},
	})
}

func TestCgroupBelow(t *testing.T) {
	for path, want := range map[string]string{
		"/kubepods/besteffort/pod1/id":                     "/kubepods/besteffort/pod1/id",
		"kubepods-besteffort-pod1.slice:cri-containerd:id": "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-id.scope",
		":cri-containerd:id":                               "/system.slice/cri-containerd-id.scope",
		"-.slice:cri-containerd:id":                        "/cri-containerd-id.scope",
		"a_b.slice:p:id":                                   "/a_b.slice/p-id.scope",
		"relative/id":                                      "",
		"/a/../id":                                         "",
		"/a/..":                                            "",
		"/a//id":                                           "",
		"/":                                                "",
		"":                                                 "",
		"/id/child":                                        "",
		"a--b.slice:p:id":                                  "",
		"-a.slice:p:id":                                    "",
		"a/b.slice:p:id":                                   "",
		"a:p:id":                                           "",
		"a.slice:../../p:id":                               "",
		"a:b:c:d":                                          "",
	} {
		got, err := cgroupBelow(path, "id")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", path, got, err, want)
		}
	}
}

// FuzzCgroupBelow makes sure that whatever comes out is a clean path that names
// the container.
func FuzzCgroupBelow(f *testing.F) {
	f.Add("a-b.slice:p:id", "id")
	f.Add("/a/id", "id")
	f.Fuzz(func(t *testing.T, cgroupsPath, id string) {
		at, err := cgroupBelow(cgroupsPath, id)
		if err != nil {
			return
		}
		last := at[strings.LastIndex(at, "/")+1:]
		if id == "" || !strings.HasPrefix(at, "/") || strings.Contains(at+"/", "/../") || strings.Contains(at, "//") || !strings.Contains(last, id) {
			t.Errorf("%q for %q", at, id)
		}
	})
}
