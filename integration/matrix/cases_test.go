// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// matrixCase is one row of the support matrix: a pod that asks for a profile of
// testdata/matrix.toml or a built-in one, and what it meets on every runtime.
type matrixCase struct {
	name    string // as the document words it
	pod     string // the pod's name
	profile string
	userns  bool
	sysctls map[string]string
	c       node.ContainerConfig

	works []it.Fact // "yes" is that all of these are so

	// Without nodegate-runc, an NRI older than this cannot carry what the refusal then
	// calls what; or no NRI can.
	since nriLevel
	what  string
	// instead replaces what a pod without nodegate-runc meets by a sentence of its own.
	instead string
	// userUnknown is what it meets where NRI does not tell the container's user.
	userUnknown string
	// except is the refusal on single versions, with which the wrapper does not help.
	except map[string]string
	// refused is the refusal on every runtime.
	refused string
}

// matrixCases is what is promised. docs/support-matrix.md shows what was seen, and the
// test compares the two.
func matrixCases() []matrixCase {
	dropAll := []string{"ALL"}
	own := []node.Device{{HostPath: "/dev/fuse", ContainerPath: "/dev/fuse", Permissions: "rw"}}
	user := func(c node.ContainerConfig) node.ContainerConfig {
		c.RunAsUser, c.RunAsGroup = new(int64(1000)), new(int64(1000))
		return c
	}
	nothing := user(node.ContainerConfig{DropCapabilities: dropAll})
	pings := []it.Fact{it.Answers("ping "+it.Gateway, "reply from "+it.Gateway)}
	opens := []it.Fact{it.Answers("open /dev/fuse rw", "ok")}
	const ofUser = `would get device "/dev/fuse" of profile "of-user", which belongs to the container's user, and this runtime does not tell who that is: set runtimeClassName: nodegate in the pod's spec (a RuntimeClass of handler "nodegate"), have the profile say a number instead of "user", or use containerd 2.3 or later`
	noNodes := []it.Fact{
		it.Answers("mknod b /dev/shm/block 7 0", "EPERM"), it.Answers("mknod c /dev/shm/char 1 3", "EPERM"),
		it.Answers("mknod -call mknod b /dev/shm/block 7 0", "EPERM"),
		it.Answers("mknod p /dev/shm/fifo", "ok"), it.Answers("mknod c /dev/shm/whiteout 0 0", "ok"),
	}
	makesNode := []it.Fact{it.Has(it.CapMknod), it.Answers("mknod c /tmp/null 1 3", "ok")}

	return []matrixCase{
		{name: "`ping` as uid 1000 that drops ALL", pod: "ping", profile: "ping", c: nothing,
			works: pings, since: nri12, what: "the sysctl net.ipv4.ping_group_range"},
		{name: "`ping` as uid 1000 that drops ALL, user namespace", pod: "ping-userns", profile: "ping", userns: true, c: nothing,
			works: pings, since: nri12, what: "the sysctl net.ipv4.ping_group_range"},
		{name: "a sandbox with the sysctl `net.ipv4.ping_group_range = 0 2147483647`, user namespace", pod: "clamp", userns: true,
			sysctls: map[string]string{"net.ipv4.ping_group_range": "0 2147483647"}, c: nothing,
			works: pings, instead: "the sandbox fails: write sysctl key net.ipv4.ping_group_range: invalid argument"},

		{name: "`fuse` as uid 1000", pod: "fuse", profile: "fuse", c: nothing, works: opens},
		{name: "`fuse` as uid 1000, user namespace", pod: "fuse-userns", profile: "fuse", userns: true, c: nothing,
			works: opens, since: nri10, what: "device-cgroup rules"},
		{name: "`fuse` over the pod's own /dev/fuse, user namespace", pod: "fuse-over", profile: "fuse", userns: true,
			c:     user(node.ContainerConfig{Devices: own}),
			works: opens, instead: `would get device "/dev/fuse" of profile "fuse", but has a device there already, from a device plugin or because it is privileged; in a pod with a user namespace it cannot have both: drop one, or set runtimeClassName: nodegate in the pod's spec (a RuntimeClass of handler "nodegate")`},
		{name: "a device with `access = \"r\"`", pod: "read-only", profile: "read-only",
			works: []it.Fact{it.Answers("open /dev/fuse r", "ok"), it.Answers("open /dev/fuse w", "EPERM"), it.Answers("open /dev/fuse rw", "EPERM")},
			since: nri10, what: `the access "r" of device /dev/fuse`},
		{name: "a device of `uid = \"user\"`", pod: "of-user", profile: "of-user", c: nothing, works: opens, userUnknown: ofUser},
		{name: "a device of `uid = \"user\"`, user namespace", pod: "of-user-userns", profile: "of-user", userns: true, c: nothing,
			works: opens, userUnknown: ofUser},
		{name: "`adopt_devices`, the pod's own device, uid 1000", pod: "adopt", profile: "adopt", c: user(node.ContainerConfig{Devices: own}),
			works: opens, since: never, what: "the ownership of /dev/fuse"},
		{name: "`adopt_devices`, the pod's own device, uid 1000, user namespace", pod: "adopt-userns", profile: "adopt", userns: true,
			c: user(node.ContainerConfig{Devices: own}), works: opens,
			instead: `would get its device "/dev/fuse" to use, which in a pod with a user namespace only nodegate-runc can give: set runtimeClassName: nodegate in the pod's spec (a RuntimeClass of handler "nodegate")`},
		{name: "`device_cgroup_rules`", pod: "rules", profile: "rules",
			works: []it.Fact{it.Answers("mknod c /tmp/fuse 10 229", "ok"), it.Answers("open /tmp/fuse rw", "ok")},
			since: nri10, what: "device-cgroup rules"},
		{name: "`cdi_devices`", pod: "cdi", profile: "cdi", works: opens,
			except: map[string]string{"2.0.14": `would get the CDI devices vendor.test/fuse=one, which containerd v2.0.14 (NRI 0.8.0) cannot inject for a plugin: use containerd 2.1 or later, or 1.7.30 or a later 1.7`}},

		{name: "`no-mknod`, RuntimeDefault", pod: "no-mknod", profile: "no-mknod",
			c: node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault}, works: noNodes, since: nri12, what: "seccomp rules"},
		{name: "`no-mknod`, Unconfined", pod: "no-mknod-unconfined", profile: "no-mknod",
			works: noNodes, since: nri12, what: "seccomp rules"},
		{name: "`mknod` as root that drops ALL", pod: "mknod-root", profile: "mknod", c: node.ContainerConfig{DropCapabilities: dropAll},
			works: makesNode, since: never, what: "the capabilities CAP_MKNOD"},
		{name: "`mknod` as uid 1000 that drops ALL", pod: "mknod-user", profile: "mknod", c: nothing,
			works: makesNode, since: never, what: "the capabilities CAP_MKNOD"},
		{name: "a capability dropped, as root", pod: "no-raw-root", profile: "no-raw", c: node.ContainerConfig{AddCapabilities: []string{"NET_RAW"}},
			works: []it.Fact{it.Lacks(it.CapNetRaw), it.Has(it.CapMknod)}, since: never, what: "the drop of CAP_NET_RAW"},
		{name: "a capability dropped, as uid 1000", pod: "no-raw-user", profile: "no-raw", c: user(node.ContainerConfig{AddCapabilities: []string{"NET_RAW"}}),
			works: []it.Fact{it.Lacks(it.CapNetRaw)}, since: never, what: "the drop of CAP_NET_RAW"},
		{name: "`proc_mount = \"unmasked\"`, user namespace", pod: "unmasked", profile: "unmasked", userns: true,
			works: []it.Fact{it.UnmaskedProc()}, since: never, what: "an unmasked /proc"},

		{name: "`env` and `tmpfs`", pod: "extras", profile: "extras",
			works: []it.Fact{it.Answers("env FROM_POLICY", "yes"), it.Answers("mkdir /scratch/x", "ok"), it.Mounted("/scratch", "tmpfs")}},
		{name: "`env` and `tmpfs`, user namespace", pod: "extras-userns", profile: "extras", userns: true,
			works: []it.Fact{it.Answers("env FROM_POLICY", "yes"), it.Answers("mkdir /scratch/x", "ok"), it.Mounted("/scratch", "tmpfs"), it.Mounted("/proc/sys", "proc")}},
		{name: "a profile that is not granted", pod: "ungranted", profile: "kvm",
			refused: `asks for profile "kvm", which is not granted in namespace "team" (granted there: adopt, cdi, extras, fuse, mknod, no-mknod, no-raw, of-user, ping, read-only, rules, unmasked)`},
	}
}
