// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/config"
)

// observe proposes for a pod in which this was observed.
func observe(t *testing.T, text string, events []evidence.Event) *Set {
	t.Helper()
	c, err := config.Parse("policy", []byte("version = 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	f := manifest.Read("x.yaml", strings.NewReader(text))
	return For(c, []*manifest.Pod{&f.Pods[0]}, "ns", nil, func(*manifest.Pod, string) *evidence.Container {
		return &evidence.Container{Events: events}
	})
}

type events = []evidence.Event

func device(path, node, access string) evidence.Event {
	return evidence.Event{Type: evidence.Device, Device: "c 10:1", Path: path, Node: node, Access: access}
}

func capability(name, call string) evidence.Event {
	return evidence.Event{Type: evidence.Capability, Capability: name, Call: call, Over: evidence.OverNode}
}

func called(names ...string) evidence.Event {
	return evidence.Event{Type: evidence.Calls, Names: names}
}

// What was observed makes a proposal as small as that, and what no profile gives is said.
func TestObserved(t *testing.T) {
	pod := one(privileged, "")
	denied := func(e evidence.Event) evidence.Event { e.Error = "EPERM"; return e }
	for name, tc := range map[string]struct {
		text         string
		seen         events
		want, policy string // policy is a part of it
	}{
		"nothing":  {pod, events{}, "hostUsers: false\n", ""},
		"a device": {pod, events{device("/dev/fuse", "/dev/fuse", "rw")}, "a: /dev/fuse by \"fuse\"\nhostUsers: false\n", ""},
		"a device by the name that lasts": {pod, events{device("/dev/ttyUSB0", "/dev/serial/by-id/usb-x", "r")}, "a: /dev/ttyUSB0 by \"usb-x\"\nhostUsers: false\n",
			"path = \"/dev/serial/by-id/usb-x\"\ncontainer_path = \"/dev/ttyUSB0\"\naccess = \"r\"\n"},
		"a device read, and written": {pod, events{device("/dev/x", "/dev/x", "r"), device("/dev/x", "/dev/x", "w")}, "a: /dev/x by \"x\"\nhostUsers: false\n", "access = \"rw\"\n"},
		"a device whose driver does not answer": {pod, events{device("/dev/kvm", "/dev/kvm", "rw"), {Type: evidence.Opened, Device: "c 10:1", Error: "ENODEV"}},
			"a: opens device \"c 10:1\" at \"/dev/kvm\" (rw), and its driver answers ENODEV: it does without\nhostUsers: false\n", ""},
		"a device whose driver is loaded as it is opened": {pod, events{device("/dev/fuse", "", "rw"), {Type: evidence.Opened, Device: "c 10:1", Node: "/dev/fuse"}},
			"a: /dev/fuse by \"fuse\"\nhostUsers: false\n", ""},
		"a device that is gone": {pod, events{device("/dev/x", "", "rw")}, "a: opens device \"c 10:1\" at \"/dev/x\" (rw): the node has no such device in /dev\n", ""},
		"all of /dev": {one(privileged+", volumeMounts: [{name: v, mountPath: /host/dev}]", ", volumes: [{name: v, hostPath: {path: /dev}}]"), events{device("/host/dev/x", "/dev/x", "r")},
			"a: /host/dev/x by \"x\"\na: hostPath \"/dev\" goes: of its devices, those that it opened are asked for\nhostUsers: false\n", "container_path = \"/host/dev/x\"\n"},
		"systemd": {pod, events{{Type: evidence.Cgroup, Program: "systemd", Path: "init.scope"}, {Type: evidence.Capability, Program: "systemd", Capability: "SYS_TIME", Over: evidence.OverNode},
			{Type: evidence.Mount, Program: "mount", Filesystem: "hugetlbfs"}, {Type: evidence.Device, Program: "systemd-getty-g", Device: "c 4:64", Path: "/dev/ttyS0", Node: "/dev/ttyS0", Access: "rw"},
			device("/dev/fuse", "/dev/fuse", "rw"), called("reboot")},
			"a: systemd as its first program by \"systemd\"\na: /dev/fuse by \"fuse\"\na: what systemd and its own programs did at the start is left out: without privileges it does without\nhostUsers: false\n", ""},
		"what names itself systemd": {pod, events{{Type: evidence.Mount, Program: "systemd", Filesystem: "ext4", Path: "x"}}, "a: mounts ext4 from \"x\" (systemd): only the node's root may mount it\n", ""},
		"everybody's devices":       {pod, events{{Type: evidence.Device, Device: "c 1:3", Path: "/dev/null", Node: "/dev/null", Access: "rw"}}, "hostUsers: false\n", ""},
		"a FUSE mount": {pod, events{device("/dev/fuse", "/dev/fuse", "rw"), capability("SYS_ADMIN", "mount"), {Type: evidence.Mount, Filesystem: "fuse"}, called("clone3", "mount", "read", "umount2")},
			"a: /dev/fuse by \"fuse-mount\"\na: CAP_SYS_ADMIN by \"fuse-mount\"\na: system calls beyond the runtime's default: mount, umount2 by \"fuse-mount\"\nhostUsers: false\n", ""},
		"a mount of another kind": {pod, events{capability("SYS_ADMIN", "mount"), {Type: evidence.Mount, Filesystem: "tmpfs"}, called("mount")},
			"a: CAP_SYS_ADMIN by \"p\"\na: system calls beyond the runtime's default: mount by \"p\"\nhostUsers: false\n",
			"[profiles.p]\nrequires = { user_namespace = true }\napparmor = \"nodegate-mounts\"\n[profiles.p.capabilities]\nadd = [\"SYS_ADMIN\"]\n[[profiles.p.seccomp]]\nsyscalls = [\"mount\"]\naction = \"allow\"\n"},
		"a mount of the node's": {pod, events{{Type: evidence.Mount, Filesystem: "ext4", Path: "/dev/sda\x1b[2J"}},
			"a: mounts ext4 from \"/dev/sda\\x1b[2J\": only the node's root may mount it\n", ""},
		"a capability of the node":          {pod, events{capability("SYS_TIME", "settimeofday")}, "a: asks for CAP_SYS_TIME (by settimeofday), which acts on the node, and has no effect with hostUsers: false\n", ""},
		"one that may be missing":           {pod, events{capability("SYS_NICE", "setpriority")}, "a: asks for CAP_SYS_NICE (by setpriority): it acts on the node, and has no effect with hostUsers: false; whether it goes on without was not seen\nhostUsers: false\n", ""},
		"a program of the kernel's":         {pod, events{capability("BPF", "bpf")}, "a: asks for CAP_BPF (by bpf), which acts on the node, and has no effect with hostUsers: false\n", ""},
		"a module that the kernel asks for": {pod, events{capability("SYS_MODULE", "ioctl")}, "a: asks for CAP_SYS_MODULE (by ioctl): the kernel asks it before it loads a module by itself: what takes one needs it loaded on the node\nhostUsers: false\n", ""},
		"a module that it loads":            {pod, events{capability("SYS_MODULE", "finit_module")}, "a: asks for CAP_SYS_MODULE (by finit_module), which acts on the node, and has no effect with hostUsers: false\n", ""},
		"a runtime's for devices": {pod, events{{Type: evidence.Cgroup, Path: "x"}, capability("BPF", "bpf"), capability("NET_ADMIN", "bpf"), {Type: evidence.Rlimit, Limit: "memlock", Value: 1 << 40}},
			"a: a writable cgroup by \"cgroup\"\na: asks for CAP_BPF (by bpf): it makes cgroups, as runtimes of containers do, whose programs for devices are left out with hostUsers: false\n" +
				"a: asks for CAP_NET_ADMIN (by bpf): it makes cgroups, as runtimes of containers do, whose programs for devices are left out with hostUsers: false\nhostUsers: false\n", ""},
		"calls that fail in a user namespace": {pod, events{capability("SYS_ADMIN", "mount"), called("mount", "settimeofday", "bpf")}, "a: CAP_SYS_ADMIN by \"p\"\na: system calls beyond the runtime's default: mount by \"p\"\nhostUsers: false\n", ""},
		"one that was denied":                 {pod, events{denied(capability("SYS_TIME", "settimeofday"))}, "hostUsers: false\n", ""},
		"one that all have":                   {pod, events{capability("NET_RAW", "socket"), capability("DAC_READ_SEARCH", "openat")}, "hostUsers: false\n", ""},
		"one over another":                    {pod, events{{Type: evidence.Capability, Capability: "SYS_ADMIN", Over: evidence.OverOther}}, "hostUsers: false\n", ""},
		"with the node's network":             {one(privileged, ", hostNetwork: true"), events{capability("NET_ADMIN", "sendto")}, "a: CAP_NET_ADMIN (by sendto) would reach the node: the pod can have no user namespace, since hostNetwork: the pod shares the node's namespaces, which no profile replaces\n", ""},
		"nothing, with its network":           {one(privileged, ", hostNetwork: true"), events{}, "", ""},
		"a node made":                         {pod, events{{Type: evidence.Mknod, Device: "b 7:0", Path: "x"}}, "a: makes device node \"x\", \"b 7:0\": CAP_MKNOD, which containers have, suffices without a user namespace\n", ""},
		"a node made beside a mount": {pod, events{{Type: evidence.Mknod, Device: "b 7:0", Path: "x"}, capability("SYS_ADMIN", "mount")},
			"a: CAP_SYS_ADMIN by \"p\"\na: makes device node \"x\", \"b 7:0\": with hostUsers: false the kernel lets nobody; whether it goes on without was not seen\nhostUsers: false\n", ""},
		"a node made and opened": {pod, events{device("/dev/t", "/dev/net/tun", "rw"), {Type: evidence.Mknod, Device: "c 10:1", Path: "t"}},
			"a: /dev/t by \"p\"\na: makes device node \"t\", \"c 10:1\": the profile gives it that device node, which it cannot make itself\nhostUsers: false\n", ""},
		"limits": {pod, events{{Type: evidence.Rlimit, Limit: "nofile", Value: 9}, {Type: evidence.Rlimit, Limit: "nofile", Value: 10}, capability("SYS_RESOURCE", "prlimit64")},
			"a: limit nofile 10 by \"p\"\nhostUsers: false\n", "[profiles.p.rlimits]\n\"nofile\" = \"10\"\n"},
		"ping":                        {pod, events{{Type: evidence.Socket, Socket: "icmp"}, {Type: evidence.Socket, Socket: "raw"}}, "a: ICMP sockets by \"ping\"\nhostUsers: false\n", ""},
		"a cgroup":                    {pod, events{{Type: evidence.Cgroup, Path: "x"}}, "a: a writable cgroup by \"cgroup\"\nhostUsers: false\n", "cgroup = \"writable\"\n"},
		"a sysctl of the pod":         {pod, events{{Type: evidence.File, Filesystem: "proc", Path: "/proc/sys/net/ipv4/ip_forward", Access: "w"}}, "a: an unmasked /proc by \"p\"\nhostUsers: false\n", "proc_mount = \"unmasked\"\n"},
		"a sysctl of the node":        {pod, events{{Type: evidence.File, Filesystem: "proc", Path: "/proc/sys/vm/swappiness", Access: "w"}}, "a: opens \"/proc/sys/vm/swappiness\" (w), which acts on the node\n", ""},
		"sysfs":                       {pod, events{{Type: evidence.File, Filesystem: "sysfs", Path: "/sys/x", Access: "w"}}, "a: opens \"/sys/x\" (w): no profile lets a container write to sysfs\n", ""},
		"calls that nothing confines": {pod, events{called("keyctl")}, "a: system calls beyond the runtime's default: keyctl: allowed, since no seccompProfile confines it\nhostUsers: false\n", ""},
		"calls that are confined": {one(", securityContext: {privileged: true, seccompProfile: {type: RuntimeDefault}}", ""), events{called("keyctl", "999")},
			"a: system calls beyond the runtime's default: keyctl by \"p\"\nhostUsers: false\n", "syscalls = [\"keyctl\"]\n"},
		"not privileged": {one("", ""), events{denied(capability("SYS_TIME", "settimeofday")), device("/dev/x", "/dev/x", "r"), {Type: evidence.Refused, Call: "mount", Program: "x", Error: "EPERM"},
			{Type: evidence.Denied, Device: "c 10:229", Access: "rw", Error: "EPERM"}, {Type: evidence.Refused, Call: "clone3", Error: "ENOSYS"}, {Type: evidence.Mknod, Path: "x", Error: "EEXIST"}},
			"a: it is not privileged: what it was denied is listed, and nothing is proposed from it\na: asks for CAP_SYS_TIME: EPERM (by settimeofday)\na: is refused a system call by seccomp: EPERM (x, by mount)\na: opens device \"c 10:229\" (rw): EPERM\n", ""},
		"what is refused within a privileged container": {pod, events{{Type: evidence.Refused, Call: "mount", Error: "EPERM"}}, "hostUsers: false\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := observe(t, tc.text, tc.seen)
			if got := said(s); got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
			if got := s.Policy(); !strings.Contains(got, tc.policy) {
				t.Errorf("the policy\n%shas no\n%s", got, tc.policy)
			}
			if _, err := config.Parse("proposal", []byte("version = 1\n"+s.Policy())); err != nil {
				t.Errorf("%v\n%s", err, s.Policy())
			}
		})
	}
}

// FuzzObserved proposes policies without errors, whatever programs call themselves and
// their files.
func FuzzObserved(f *testing.F) {
	f.Add("device", "/dev/net/tun", "/dev/net/tun", "rw", "mount", uint64(1))
	for _, kind := range []string{"device", "opened", "mknod", "capability", "mount", "file", "rlimit", "socket", "namespaces", "cgroup", "refused", "calls"} {
		f.Add(kind, "/dev/a\x1b[2J\u202e\"]\n[x]", "/dev/*\\\"\n", "\x00rwm", "clone\"\n", uint64(1)<<40)
		f.Add(kind, "/proc/sys/net/x\r", "/dev/x", "w", "clone3", uint64(0))
	}
	f.Add("rlimit", "nofile", "", "r", "prlimit64", ^uint64(0))
	f.Add("capability", "SYS_ADMIN\n\"]", "/dev/\x1b\"", "w", "\u202e", uint64(0))
	c, err := config.Parse("policy", []byte("version = 1\n"))
	if err != nil {
		f.Fatal(err)
	}
	m := manifest.Read("x.yaml", strings.NewReader(one(privileged, "")))
	f.Fuzz(func(t *testing.T, kind, name, node, access, call string, value uint64) {
		seen := &evidence.Container{Events: events{{Type: kind, Program: name, Call: call, Device: "c 10:1", Path: name, Node: node, Access: access, Capability: name,
			Over: evidence.OverNode, Filesystem: "proc", Limit: name, Value: value, Socket: "icmp", Names: []string{call, name}}, capability("SYS_ADMIN", call), called(call, name)}}
		s := For(c, []*manifest.Pod{&m.Pods[0]}, "ns", nil, func(*manifest.Pod, string) *evidence.Container { return seen })
		if _, err := config.Parse("proposal", []byte("version = 1\n"+s.Policy())); err != nil {
			t.Fatalf("%v\n%s", err, s.Policy())
		}
		if text := said(s); strings.ContainsAny(text, "\x1b\r\u202e") {
			t.Errorf("%q", text)
		}
	})
}
