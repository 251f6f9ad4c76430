// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"io/fs"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDecideNothing(t *testing.T) {
	runDecide(t, []decideCase{
		{name: "no grant", grants: []Grant{}},
		{name: "a grant elsewhere", profiles: []Profile{{Name: "a", Capabilities: Capabilities{Add: []string{"CAP_A"}}}}, grants: []Grant{{Profiles: []string{"a"}, Namespaces: []string{"iot"}, Always: true}}},
		{name: "not asked for", profiles: []Profile{{Name: "a", Capabilities: Capabilities{Add: []string{"CAP_A"}}}}, grants: []Grant{{Profiles: []string{"a"}, Namespaces: []string{"ci"}}}},
		{name: "an empty profile", profiles: []Profile{{Name: "a"}}},
		{name: "no grant, and a runtime that sends no Linux part", grants: []Grant{}, facts: noLinuxPart},
	})
}

// noLinuxPart is all that a runtime without a Linux part leaves to know.
func noLinuxPart(f *Facts) {
	f.Request.UserNamespace = Known[bool]{}
	f.Container.HostNamespaces = Known[[]specs.LinuxNamespaceType]{}
	f.Container.User = Known[User]{}
}

func TestDecideUnknownNamespaces(t *testing.T) {
	const sentence = `would get profile "a", whose meaning depends on the pod's namespaces, and the runtime does not tell them`
	a := []Profile{{Name: "a", Env: map[string]string{"x": "y"}}}
	runDecide(t, []decideCase{
		{name: "no Linux part", profiles: a, facts: noLinuxPart, code: UnknownFact, refusal: sentence},
		{name: "the user namespace alone", profiles: a, facts: func(f *Facts) { f.Request.UserNamespace = Known[bool]{} }, code: UnknownFact, refusal: sentence},
		{name: "the host's alone matter to sysctls only", profiles: a, facts: func(f *Facts) { f.Container.HostNamespaces = Known[[]specs.LinuxNamespaceType]{} }, want: Adjustment{Env: map[string]string{"x": "y"}}},
		{name: "the user alone does not matter here", profiles: a, facts: func(f *Facts) { f.Container.User = Known[User]{} }, want: Adjustment{Env: map[string]string{"x": "y"}}},
	})
}

func TestDecideRequires(t *testing.T) {
	userns := []Profile{{Name: "nested", Capabilities: Capabilities{Add: []string{"CAP_A"}}, Requires: Requires{UserNamespace: true}}}
	v2 := []Profile{{Name: "systemd", Capabilities: Capabilities{Add: []string{"CAP_A"}}, Requires: Requires{Cgroup: CgroupV2}}}
	writable := Adjustment{Capabilities: Capabilities{Add: []string{"CAP_A"}}}
	runDecide(t, []decideCase{
		{name: "user namespace", profiles: userns, facts: inUserNamespace, want: writable},
		{name: "no user namespace", profiles: userns, code: Unmet, refusal: `would get profile "nested", which requires a user namespace: set hostUsers: false in the pod's spec`},
		{name: "through an include", profiles: append([]Profile{{Name: "a", Include: []string{"nested"}}}, userns...), ask: "a", code: Unmet,
			refusal: `would get profile "nested", which requires a user namespace: set hostUsers: false in the pod's spec`},
		{name: "cgroup", profiles: v2, want: writable},
		{name: "another cgroup", profiles: v2, facts: func(f *Facts) { f.Host.Cgroup = Is(Cgroup{Version: CgroupV1}) }, code: Unmet, refusal: `would get profile "systemd", which requires cgroup v2, and this node has v1`},
		{name: "unknown cgroup", profiles: v2, facts: func(f *Facts) { f.Host.Cgroup = Known[Cgroup]{} }, code: UnknownFact,
			refusal: `would get profile "systemd", which requires cgroup v2, and this node's version could not be told`},
		{name: "unknown cgroup that nothing requires", profiles: userns, facts: func(f *Facts) { inUserNamespace(f); f.Host.Cgroup = Known[Cgroup]{} }, want: writable},
	})
}

func TestDecideMerges(t *testing.T) {
	apart := func(names ...string) []Grant {
		var grants []Grant
		for _, name := range names {
			grants = append(grants, Grant{Source: "p.toml:1", Profiles: []string{name}, Namespaces: []string{"ci"}})
		}
		return grants
	}
	given := func(names ...string) (reasons []Reason) {
		for _, name := range names {
			reasons = append(reasons, Reason{Granted, name, "granted on request by p.toml:1"})
		}
		return reasons
	}
	const apartStart = "would get profiles that do not go together: "
	errno := func(n uint, name string, args ...specs.LinuxSeccompArg) []SeccompRule {
		return []SeccompRule{{Syscalls: []string{"bpf"}, Errno: n, ErrnoName: name, Args: args}}
	}
	rule := specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: ptr(int64(188)), Access: "rw"}
	runDecide(t, []decideCase{
		{name: "everything adds up once", ask: "a,b", grants: apart("a", "b"),
			profiles: []Profile{
				{Name: "a", Include: []string{"c"}, Tmpfs: []Tmpfs{{Path: "/run"}}, Capabilities: Capabilities{Add: []string{"CAP_A", "CAP_B"}}},
				{Name: "b", Include: []string{"c"}, AdoptDevices: true, Tmpfs: []Tmpfs{{Path: "/run"}}, Capabilities: Capabilities{Add: []string{"CAP_B", "CAP_C"}}},
				{Name: "c", DeviceCgroupRules: []specs.LinuxDeviceCgroup{rule}, CDIDevices: []string{"v/c=a"}, Env: map[string]string{"x": "1"},
					Sysctls: map[string]string{"net.x": "1"}, Seccomp: errno(1, "EPERM")},
			},
			want: Adjustment{DeviceRules: []specs.LinuxDeviceCgroup{rule}, CDIDevices: []string{"v/c=a"},
				Mounts:       []specs.Mount{{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "rw", "mode=0755"}}},
				Capabilities: Capabilities{Add: []string{"CAP_A", "CAP_B", "CAP_C"}}, Seccomp: errno(1, "EPERM"),
				Sysctls: map[string]string{"net.x": "1"}, Env: map[string]string{"x": "1"}},
			reasons: given("a", "b")},
		{name: "sysctl", ask: "a,b", grants: apart("a", "b"), profiles: []Profile{{Name: "a", Sysctls: map[string]string{"net.x": "1"}}, {Name: "b", Sysctls: map[string]string{"net.x": "2"}}},
			code: Conflict, refusal: apartStart + `profiles "a" and "b" disagree on sysctl "net.x" ("1", "2")`},
		{name: "errno", ask: "b,a", grants: apart("a", "b"), profiles: []Profile{{Name: "a", Seccomp: errno(1, "EPERM")}, {Name: "b", Seccomp: errno(38, "ENOSYS")}},
			code: Conflict, refusal: apartStart + `profiles "b" and "a" disagree on the errno of bpf (ENOSYS, EPERM)`},
		{name: "errno rules that no filter can say", ask: "a,b", grants: apart("a", "b"), code: Conflict,
			profiles: []Profile{{Name: "a", Seccomp: errno(1, "EPERM", masked(0))}, {Name: "b", Seccomp: errno(1, "EPERM", masked(1))}},
			refusal:  apartStart + `what the errno rules leave of bpf cannot be written as a filter: needs more than 64 rules: write fewer errno rules for it, or fewer conditions`},
		{name: "mode", ask: "a,b", grants: apart("a", "b"), code: Conflict,
			profiles: []Profile{{Name: "a", Devices: []DeviceRule{{Path: "/dev/kvm", Mode: Is(fs.FileMode(0o600))}}}, {Name: "b", Devices: []DeviceRule{{Path: "/dev/kvm", Mode: Is(fs.FileMode(0o660))}}}},
			refusal:  apartStart + `profiles "a" and "b" disagree on the mode of device "/dev/kvm" (0600, 0660)`},
		{name: "only one of those that disagree", ask: "b", grants: apart("a", "b"), profiles: []Profile{{Name: "a", Seccomp: errno(1, "EPERM")}, {Name: "b", Seccomp: errno(38, "ENOSYS")}},
			want: Adjustment{Seccomp: errno(38, "ENOSYS")}, reasons: given("b")},
	})
}

func TestDecideCapabilities(t *testing.T) {
	caps := func(name string, add, drop []string) Profile {
		return Profile{Name: name, Capabilities: Capabilities{Add: add, Drop: drop}}
	}
	mknod, chown := []string{"CAP_MKNOD"}, []string{"CAP_CHOWN"}
	beaten := Reason{LeftOut, "", "capability CAP_MKNOD: a profile drops it, which beats every add"}
	runDecide(t, []decideCase{
		{name: "add", profiles: []Profile{caps("a", mknod, nil)}, want: Adjustment{Capabilities: Capabilities{Add: mknod}}},
		{name: "drop", profiles: []Profile{caps("a", nil, mknod)}, want: Adjustment{Capabilities: Capabilities{Drop: mknod}}},
		{name: "a drop beats a later add", profiles: []Profile{caps("a", nil, mknod), caps("b", mknod, nil)}, want: Adjustment{Capabilities: Capabilities{Drop: mknod}}, reasons: []Reason{beaten}},
		{name: "and an earlier", profiles: []Profile{caps("a", []string{"CAP_MKNOD", "CAP_CHOWN"}, nil), caps("b", nil, mknod)}, want: Adjustment{Capabilities: Capabilities{Add: chown, Drop: mknod}}, reasons: []Reason{beaten}},
		{name: "and its own", profiles: []Profile{caps("a", mknod, mknod)}, want: Adjustment{Capabilities: Capabilities{Drop: mknod}}, reasons: []Reason{beaten}},
	})
}

func TestDecideCDI(t *testing.T) {
	gpu := []Profile{{Name: "gpu", CDIDevices: []string{"vendor.com/gpu=all", "vendor.com/gpu=0"}}}
	runDecide(t, []decideCase{
		{name: "plain", profiles: gpu, want: Adjustment{CDIDevices: []string{"vendor.com/gpu=all", "vendor.com/gpu=0"}}},
		{name: "user namespace", profiles: gpu, facts: inUserNamespace, code: Unmet,
			refusal: `would get CDI device "vendor.com/gpu=all", which a pod with a user namespace cannot use: name its nodes under devices in the profile, or set hostUsers: true`},
	})
}

func TestDecideTmpfs(t *testing.T) {
	mount := func(at, mode string) specs.Mount {
		return specs.Mount{Destination: at, Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "rw", mode}}
	}
	run := []Profile{{Name: "systemd", Tmpfs: []Tmpfs{{Path: "/run"}, {Path: "/run/lock"}, {Path: "/tmp"}, {Path: "/var/tmp/"}}}}
	have := func(at string) func(*Facts) {
		return func(f *Facts) {
			f.Container.Mounts = []specs.Mount{{Destination: "/proc", Type: "proc"}, {Destination: at, Type: "bind"}}
		}
	}
	lock, tmp, vartmp := mount("/run/lock", "mode=1777"), mount("/tmp", "mode=1777"), mount("/var/tmp", "mode=1777")
	all := Adjustment{Mounts: []specs.Mount{mount("/run", "mode=0755"), lock, tmp, vartmp}}
	shm := []Profile{{Name: "shm", Tmpfs: []Tmpfs{{Path: "/dev/shm", Size: 1 << 30}}}}
	left := []Reason{{LeftOut, "", "tmpfs /run: the container has a mount of its own there"}}
	runDecide(t, []decideCase{
		{name: "all", profiles: run, want: all},
		{name: "a volume elsewhere", profiles: run, facts: have("/run/secrets"), want: all},
		{name: "a volume there", profiles: run, facts: have("/run"), want: Adjustment{Mounts: []specs.Mount{lock, tmp, vartmp}}, reasons: left},
		{name: "written oddly", profiles: run, facts: have("//var/../run/"), want: Adjustment{Mounts: []specs.Mount{lock, tmp, vartmp}}, reasons: left},
		{name: "shared memory", profiles: shm, facts: and(have("/dev/shm"), func(f *Facts) { f.Container.RuntimeShm = true }), want: Adjustment{Mounts: []specs.Mount{{Destination: "/dev/shm", Type: "tmpfs", Source: "tmpfs",
			Options: []string{"noexec", "nosuid", "nodev", "rw", "mode=1777", "size=1073741824"}}}}},
		{name: "shared memory of the pod's own", profiles: shm, facts: have("/dev/shm"), reasons: []Reason{{LeftOut, "", "tmpfs /dev/shm: the container has a mount of its own there"}}},
		{name: "two sizes", profiles: []Profile{shm[0], {Name: "small", Tmpfs: []Tmpfs{{Path: "/dev/shm", Size: 4096}}}}, grants: apart("shm", "small"), code: Conflict,
			refusal: `would get profiles that do not go together: profiles "shm" and "small" disagree on the size of tmpfs "/dev/shm" ("mode=1777,size=1073741824", "mode=1777,size=4096")`},
		{name: "without a slash", profiles: run, facts: have("run"), want: Adjustment{Mounts: []specs.Mount{lock, tmp, vartmp}}, reasons: left},
	})
}

// apart grants each profile by itself: two that disagree do not load in one grant.
func apart(profiles ...string) (out []Grant) {
	for _, name := range profiles {
		out = append(out, Grant{Source: "p.toml:1", Profiles: []string{name}, Namespaces: []string{"ci"}, Always: true})
	}
	return out
}

func TestDecideRlimits(t *testing.T) {
	with := func(name string, limits map[string]string) Profile { return Profile{Name: name, Rlimits: limits} }
	a := with("a", map[string]string{"memlock": "unlimited", "nofile": "1024:4096"})
	runDecide(t, []decideCase{
		{name: "two", profiles: []Profile{a}, want: Adjustment{Rlimits: []specs.POSIXRlimit{
			{Type: "RLIMIT_MEMLOCK", Soft: 1<<64 - 1, Hard: 1<<64 - 1}, {Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 4096}}}},
		{name: "profiles that agree", profiles: []Profile{a, with("b", map[string]string{"nofile": "1024:4096", "core": "0"})}, want: Adjustment{Rlimits: []specs.POSIXRlimit{
			{Type: "RLIMIT_CORE"}, {Type: "RLIMIT_MEMLOCK", Soft: 1<<64 - 1, Hard: 1<<64 - 1}, {Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 4096}}}},
		{name: "profiles that disagree", profiles: []Profile{a, with("b", map[string]string{"nofile": "1024:8192"})}, grants: apart("a", "b"), code: Conflict,
			refusal: `would get profiles that do not go together: profiles "a" and "b" disagree on rlimit "nofile" ("1024:4096", "1024:8192")`},
	})
}

func TestDecideTheRest(t *testing.T) {
	runDecide(t, []decideCase{
		{name: "env", profiles: []Profile{{Name: "a", Env: map[string]string{"container": "oci", "X": ""}}}, want: Adjustment{Env: map[string]string{"container": "oci", "X": ""}}},
		{name: "adopt", profiles: []Profile{{Name: "a", AdoptDevices: true}}, want: Adjustment{}},
		{name: "proc", profiles: []Profile{{Name: "a", ProcUnmasked: true, Requires: Requires{UserNamespace: true}}}, facts: inUserNamespace, want: Adjustment{ProcUnmasked: true}},
	})
	for _, a := range []Adjustment{
		{Devices: make([]Device, 1)}, {DeviceRules: make([]specs.LinuxDeviceCgroup, 1)}, {ShadowNodes: make([]ShadowNode, 1)}, {CDIDevices: []string{""}},
		{AdoptDevices: []string{""}}, {Mounts: make([]specs.Mount, 1)}, {Capabilities: Capabilities{Add: []string{""}}}, {Capabilities: Capabilities{Drop: []string{""}}},
		{Seccomp: make([]SeccompRule, 1)}, {Sysctls: map[string]string{"": ""}}, {Env: map[string]string{"": ""}}, {ProcUnmasked: true}, {AppArmor: "web"}, {Namespaces: []specs.LinuxNamespaceType{""}}, {Cgroup: &CgroupDelegation{}},
	} {
		if a.Empty() {
			t.Errorf("%s is called empty", dump(a))
		}
	}
	if !(&Adjustment{}).Empty() {
		t.Error("nothing is not called empty")
	}
}
