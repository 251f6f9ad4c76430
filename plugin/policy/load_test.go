// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"io/fs"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestLoad holds every policy that cannot be, with all that New says of it.
func TestLoad(t *testing.T) {
	eperm := func(args ...specs.LinuxSeccompArg) []SeccompRule {
		return []SeccompRule{{Syscalls: []string{"mknod"}, Errno: 1, ErrnoName: "EPERM", Args: args}}
	}
	enosys := func(args ...specs.LinuxSeccompArg) []SeccompRule {
		return []SeccompRule{{Syscalls: []string{"mknodat", "mknod"}, Errno: 38, ErrnoName: "ENOSYS", Args: args}}
	}
	device := func(change func(*DeviceRule)) []DeviceRule {
		d := DeviceRule{Path: "/dev/kvm", Access: "rw"}
		if change != nil {
			change(&d)
		}
		return []DeviceRule{d}
	}
	// both makes profiles a and b, and one that includes both.
	both := func(a, b Profile) Source {
		a.Name, b.Name = "a", "b"
		return Source{Profiles: []Profile{a, b, {Name: "ab", Include: []string{"a", "b"}}}}
	}
	grant := func(g Grant, profiles ...Profile) Source {
		return Source{Profiles: profiles, Grants: []Grant{g}}
	}
	takes := "the grant takes something away (a capability, or a system call by errno), and a pod's author could walk around "
	drop := Profile{Name: "drop", Capabilities: Capabilities{Drop: []string{"CAP_MKNOD"}}}
	deny := Profile{Name: "deny", Seccomp: eperm()}
	ci := []string{"ci"}

	for _, tc := range []struct {
		name, want string
		src        Source
	}{
		{name: "nothing at all", src: Source{}},
		{name: "profile twice", src: Source{Profiles: []Profile{{Name: "a"}, {Name: "a"}}},
			want: `profile "a": is written twice: keep one, or give the other another name`},
		{name: "unknown include", src: Source{Profiles: []Profile{{Name: "a", Include: []string{"b"}}}},
			want: `profile "a": include[0]: no profile is called "b"`},
		{name: "includes itself", src: Source{Profiles: []Profile{{Name: "a", Include: []string{"a"}}}},
			want: `profile "a": include[0]: includes itself: a → a: leave one of these includes out`},
		{name: "a cycle of three", src: Source{Profiles: []Profile{{Name: "a", Include: []string{"b"}}, {Name: "b", Include: []string{"x", "c"}}, {Name: "c", Include: []string{"a"}}, {Name: "x"}}},
			want: `profile "c": include[0]: includes itself: a → b → c → a: leave one of these includes out`},
		{name: "a diamond is no cycle", src: Source{Profiles: []Profile{{Name: "d", Sysctls: map[string]string{"net.a": "1"}, Seccomp: eperm(), Devices: device(nil)},
			{Name: "b", Include: []string{"d"}}, {Name: "c", Include: []string{"d"}}, {Name: "a", Include: []string{"b", "c", "d"}}}}},

		{name: "sysctl", src: both(Profile{Sysctls: map[string]string{"net.a": "1"}}, Profile{Sysctls: map[string]string{"net.a": "2"}}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on sysctl "net.a" ("1", "2"): include only one of them`},
		{name: "of several sysctls the first by name", src: both(Profile{Sysctls: map[string]string{"net.c": "1", "net.b": "1", "net.d": "1"}}, Profile{Sysctls: map[string]string{"net.d": "2", "net.c": "2", "net.b": "2"}}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on sysctl "net.b" ("1", "2"): include only one of them`},
		{name: "environment", src: both(Profile{Env: map[string]string{"container": "oci"}}, Profile{Env: map[string]string{"container": ""}}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on environment variable "container" ("oci", ""): include only one of them`},
		{name: "cgroup version", src: both(Profile{Requires: Requires{Cgroup: "v1"}}, Profile{Requires: Requires{Cgroup: "v2"}}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on the cgroup version (v1, v2): include only one of them`},
		{name: "mode", src: both(Profile{Devices: device(func(d *DeviceRule) { d.Mode = Is(fs.FileMode(0o600)) })}, Profile{Devices: device(func(d *DeviceRule) { d.Mode = Is(fs.FileMode(0o66)) })}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on the mode of device "/dev/kvm" (0600, 0066): include only one of them`},
		{name: "a mode and the host's", src: both(Profile{Devices: device(func(d *DeviceRule) { d.Mode = Is(fs.FileMode(0)) })}, Profile{Devices: device(nil)}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on the mode of device "/dev/kvm" (0000, the host's): include only one of them`},
		{name: "uid", src: both(Profile{Devices: device(func(d *DeviceRule) { d.UID.Of = OfProcess })}, Profile{Devices: device(nil)}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on the uid of device "/dev/kvm" (user, the default): include only one of them`},
		{name: "gid", src: both(Profile{Devices: device(nil)}, Profile{Devices: device(func(d *DeviceRule) { d.GID = ID{OfNumber, 36} })}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on the gid of device "/dev/kvm" (the default, 36): include only one of them`},
		{name: "two nodes for one path", src: both(Profile{Devices: device(nil)}, Profile{Devices: device(func(d *DeviceRule) { d.Path, d.ContainerPath = "/dev/fuse", "//dev/./kvm" })}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on the host's node of device "/dev/kvm" (/dev/kvm, /dev/fuse): include only one of them`},
		{name: "access and optional add up", src: both(Profile{Devices: device(func(d *DeviceRule) { d.Access = "r" })}, Profile{Devices: device(func(d *DeviceRule) { d.Access, d.Optional = "wm", true })})},
		{name: "errno", src: both(Profile{Seccomp: eperm()}, Profile{Seccomp: enosys()}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on the errno of mknod (EPERM, ENOSYS): include only one of them`},
		{name: "errnos of calls that overlap", src: both(Profile{Seccomp: eperm(arg(0, specs.OpEqualTo, 1, 0))}, Profile{Seccomp: enosys(arg(1, specs.OpEqualTo, 1, 0))}),
			want: `profile "ab": include[1]: profiles "a" and "b" disagree on the errno of mknod (EPERM, ENOSYS): include only one of them`},
		{name: "errnos of different calls", src: both(Profile{Seccomp: eperm(arg(0, specs.OpEqualTo, 1, 0))}, Profile{Seccomp: enosys(arg(0, specs.OpEqualTo, 2, 0))})},
		{name: "the same, their arguments in another order", src: both(
			Profile{Seccomp: eperm(arg(2, specs.OpEqualTo, 7, 0), arg(0, specs.OpEqualTo, 1, 0))},
			Profile{Seccomp: enosys(arg(2, specs.OpEqualTo, 7, 0), arg(0, specs.OpEqualTo, 2, 0))})},
		{name: "an errno beats an allow without dispute", src: both(Profile{Seccomp: eperm()}, Profile{Seccomp: []SeccompRule{{Syscalls: []string{"mknod"}}}})},
		{name: "a drop beats an add without dispute", src: both(Profile{Capabilities: Capabilities{Add: []string{"CAP_MKNOD"}}}, drop)},

		{name: "against an include", src: Source{Profiles: []Profile{{Name: "a", Include: []string{"b"}, Sysctls: map[string]string{"net.a": "1"}}, {Name: "b", Sysctls: map[string]string{"net.a": "2"}}}},
			want: `profile "a": sysctls: profiles "b" and "a" disagree on sysctl "net.a" ("2", "1"): write one of them`},
		{name: "device twice", src: Source{Profiles: []Profile{{Name: "a", Devices: append(device(nil), DeviceRule{Path: "/dev/fuse", ContainerPath: "/dev/kvm/", Access: "r"})}}},
			want: "profile \"a\": devices: device \"/dev/kvm\" is listed twice: name it once\n" +
				`profile "a": devices: the host's node of device "/dev/kvm" is both /dev/kvm and /dev/fuse: write one of them`},
		{name: "two errnos in one profile", src: Source{Profiles: []Profile{{Name: "a", Seccomp: append(eperm(), enosys()...)}}},
			want: `profile "a": seccomp: the errno of mknod is both EPERM and ENOSYS: write one of them`},
		{name: "two conditions on one argument", src: Source{Profiles: []Profile{{Name: "a", Seccomp: eperm(arg(0, specs.OpGreaterThan, 1, 0), arg(0, specs.OpLessThan, 5, 0))}}},
			want: `profile "a": seccomp: the rule for mknod has two conditions on one argument, which the OCI runtime reads as "either": write two rules`},
		{name: "two values of one argument", src: Source{Profiles: []Profile{{Name: "a", Seccomp: append(eperm(arg(0, specs.OpEqualTo, 38, 0)), eperm(arg(0, specs.OpEqualTo, 40, 0))...)}}}},
		{name: "a remainder that no filter can say", src: Source{Profiles: []Profile{{Name: "a", Seccomp: append(eperm(masked(0)), eperm(masked(1))...)}}},
			want: `profile "a": seccomp: what the errno rules leave of mknod cannot be written as a filter: needs more than 64 rules: write fewer errno rules for it, or fewer conditions`},
		{name: "unmasked /proc without a user namespace", src: Source{Profiles: []Profile{{Name: "a", ProcUnmasked: true}}},
			want: `profile "a": proc_mount: an unmasked /proc gives the node's kernel settings to a container that shares its user namespace: add requires = { user_namespace = true }`},
		{name: "unmasked /proc, required by an include", src: Source{Profiles: []Profile{{Name: "a", ProcUnmasked: true, Include: []string{"b"}}, {Name: "b", Requires: Requires{UserNamespace: true}}}}},

		{name: "a grant of nothing to nobody", src: grant(Grant{}),
			want: "grant 1: profiles: a grant gives nothing without profiles: name at least one\n" +
				`grant 1: namespaces: a grant is for somebody: name namespaces, or write ["*"] for all`},
		{name: "a grant of an unknown profile", src: grant(Grant{Profiles: []string{"kv"}, Namespaces: ci}, Profile{Name: "kvm"}, Profile{Name: "a"}),
			want: `grant 1: profiles: no profile is called "kv": there are a, kvm`},
		{name: "with no likeness", src: grant(Grant{Profiles: []string{"x"}, Namespaces: ci}, Profile{Name: "kvm"}, Profile{Name: "a"}),
			want: `grant 1: profiles: no profile is called "x": there are a, kvm`},
		{name: "globs that do not parse", src: grant(Grant{Profiles: []string{"a"}, Namespaces: []string{"ci", "x["}, Containers: []string{`b\`}}, Profile{Name: "a"}),
			want: `grant 1: namespaces[1]: "x[" is not a glob: close its "[", or put a backslash before it` + "\n" +
				`grant 1: containers[0]: "b\\" is not a glob: close its "[", or put a backslash before it`},
		{name: "a grant that contradicts itself", src: grant(Grant{Profiles: []string{"a", "b"}, Namespaces: ci}, Profile{Name: "a", Seccomp: eperm()}, Profile{Name: "b", Seccomp: enosys()}),
			want: `grant 1: profiles: profiles "a" and "b" disagree on the errno of mknod (EPERM, ENOSYS): a container cannot get both, so grant them apart`},
		{name: "profiles whose rules together no filter can say", src: grant(Grant{Profiles: []string{"a", "b"}, Namespaces: ci}, Profile{Name: "a", Seccomp: eperm(masked(0))}, Profile{Name: "b", Seccomp: eperm(masked(1))}),
			want: `grant 1: profiles: what the errno rules leave of mknod cannot be written as a filter: needs more than 64 rules: write fewer errno rules for it, or fewer conditions, or grant them apart`},

		{name: "taking away, by namespaces alone", src: grant(Grant{Profiles: []string{"drop"}, Namespaces: []string{"ci-*"}, Always: true, Containers: []string{"a", "*"}, UserNamespace: AnyUserNamespace}, drop)},
		{name: "a drop, narrowed by pods", src: grant(Grant{Profiles: []string{"drop"}, Namespaces: ci, Pods: hasLabel{"a", "b"}}, drop),
			want: `grant 1: pods: ` + takes + `pods: narrow it by namespaces alone`},
		{name: "an errno, narrowed by containers", src: grant(Grant{Profiles: []string{"deny"}, Namespaces: ci, Containers: []string{"?*"}}, deny),
			want: `grant 1: containers: ` + takes + `containers: narrow it by namespaces alone`},
		{name: "through an include, narrowed by handlers", src: grant(Grant{Profiles: []string{"x"}, Namespaces: ci, Handlers: []string{"runc"}}, deny, Profile{Name: "x", Include: []string{"deny"}}),
			want: `grant 1: runtime_handlers: ` + takes + `runtime_handlers: narrow it by namespaces alone`},
		{name: "beside a giving one, narrowed by everything", src: grant(Grant{Profiles: []string{"a", "drop"}, Namespaces: ci, Pods: hasLabel{}, Containers: []string{"a"}, Handlers: []string{"x"}, UserNamespace: ForbiddenUserNamespace}, Profile{Name: "a"}, drop),
			want: `grant 1: pods: ` + takes + `pods, containers, runtime_handlers, user_namespace: narrow it by namespaces alone`},
		{name: "an allow takes nothing away", src: grant(Grant{Profiles: []string{"a"}, Namespaces: ci, Containers: []string{"a"}}, Profile{Name: "a", Seccomp: []SeccompRule{{Syscalls: []string{"mount"}}}})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(tc.src)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func arg(index uint, op specs.LinuxSeccompOperator, value, two uint64) specs.LinuxSeccompArg {
	return specs.LinuxSeccompArg{Index: index, Op: op, Value: value, ValueTwo: two}
}

// masked fixes 32 bits, so that its complement takes 32 rules.
func masked(index uint) specs.LinuxSeccompArg { return arg(index, specs.OpMaskedEqual, 0xffffffff, 7) }
