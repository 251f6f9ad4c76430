// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDecideSysctls(t *testing.T) {
	const name = "net.ipv4.ping_group_range"
	ping := []Profile{{Name: "ping", Sysctls: map[string]string{name: "0 {max_gid}"}}}
	sem := []Profile{{Name: "sem", Sysctls: map[string]string{"kernel.sem": "1 2 3 4"}}}
	both := []Profile{{Name: "ids", Sysctls: map[string]string{"net.x": "{max_uid} {max_gid} {max_gid}"}}}
	set := func(value string) Adjustment { return Adjustment{Sysctls: map[string]string{name: value}} }
	gids := func(extents ...specs.LinuxIDMapping) func(*Facts) {
		return func(f *Facts) { inUserNamespace(f); f.Host.GIDMap = idMap(extents...) }
	}
	shares := func(ns ...specs.LinuxNamespaceType) func(*Facts) {
		return func(f *Facts) { f.Container.HostNamespaces = Is(ns) }
	}
	given := func(value string) func(*Facts) {
		return func(f *Facts) { f.Container.PodSysctls = map[string]GivenSysctl{name: {value, "init"}} }
	}
	const notMapped = `would get sysctl net.ipv4.ping_group_range = "0 {max_gid}" of profile "ping", but {max_gid} does not exist: 0 is not in the pod's id map`
	const notTold = `would get sysctl net.ipv4.ping_group_range of profile "ping", which would be the node's own if the pod shares the node's network namespace, and the runtime does not tell`
	hostNet := Reason{LeftOut, "ping", "sysctl net.ipv4.ping_group_range: the pod shares the node's network namespace"}

	runDecide(t, []decideCase{
		{name: "no user namespace", profiles: ping, want: set("0 2147483647")},
		{name: "without one, on a node that has one", profiles: ping, facts: func(f *Facts) { f.Host.GIDMap = idMap(extent(0, 5, 10)) }, want: set("0 9")},
		{name: "one extent", profiles: ping, facts: gids(extent(0, 100000, 65536)), want: set("0 65535")},
		{name: "one id", profiles: ping, facts: gids(extent(0, 100000, 1)), want: set("0 0")},
		{name: "several extents", profiles: ping, facts: gids(extent(1000, 5, 9000), extent(0, 100000, 100), extent(100, 7, 900)), want: set("0 99")},
		{name: "the largest that the kernel takes", profiles: ping, facts: gids(extent(0, 1, 1<<31)), want: set("0 2147483647")},
		{name: "one less", profiles: ping, facts: gids(extent(0, 1, 1<<31-1)), want: set("0 2147483646")},
		{name: "larger", profiles: ping, facts: gids(extent(0, 0, 1<<32-1)), want: set("0 2147483647")},
		{name: "no extent", profiles: ping, facts: gids(), code: Unmapped, refusal: notMapped},
		{name: "an empty extent", profiles: ping, facts: gids(extent(0, 1, 0)), code: Unmapped, refusal: notMapped},
		{name: "0 is not mapped", profiles: ping, facts: gids(extent(1, 100000, 65535)), code: Unmapped, refusal: notMapped},
		{name: "the map is unknown", profiles: ping, facts: func(f *Facts) { inUserNamespace(f); f.Host.GIDMap = Known[[]specs.LinuxIDMapping]{} }, code: UnknownFact,
			refusal: `would get sysctl net.ipv4.ping_group_range = "0 {max_gid}" of profile "ping", but {max_gid} is not known: the pod's id map could not be read`},
		{name: "uids and gids", profiles: both, facts: func(f *Facts) { inUserNamespace(f); f.Host.UIDMap = idMap(extent(0, 1, 11)) }, want: Adjustment{Sysctls: map[string]string{"net.x": "10 65535 65535"}}},

		{name: "host namespaces unknown", profiles: ping, facts: func(f *Facts) { f.Container.HostNamespaces.OK = false }, code: UnknownFact, refusal: notTold},
		{name: "the network namespace alone unknown", profiles: ping, facts: func(f *Facts) { f.Container.MaybeHost = []specs.LinuxNamespaceType{"network"} }, code: UnknownFact, refusal: notTold},
		{name: "another one unknown", profiles: ping, facts: func(f *Facts) { f.Container.MaybeHost = []specs.LinuxNamespaceType{"ipc"} }, want: set("0 2147483647")},
		{name: "host network, always", profiles: ping, facts: shares("network"), reasons: []Reason{hostNet}},
		{name: "host network, on request", profiles: ping, ask: "ping", facts: shares("pid", "network"), code: HostNamespace,
			refusal: `asks for profile "ping", whose sysctl net.ipv4.ping_group_range would be the node's own: the pod shares the node's network namespace`},
		{name: "host network, always and on request", profiles: ping, ask: "ping", facts: shares("network"), code: HostNamespace,
			grants:  []Grant{{Profiles: []string{"ping"}, Namespaces: []string{"ci"}, Always: true}},
			refusal: `asks for profile "ping", whose sysctl net.ipv4.ping_group_range would be the node's own: the pod shares the node's network namespace`},
		{name: "host network, asked for through an include", profiles: append([]Profile{{Name: "modem", Include: []string{"ping"}}}, ping...), ask: "modem", facts: shares("network"), code: HostNamespace,
			refusal: `asks for profile "modem", whose sysctl net.ipv4.ping_group_range would be the node's own: the pod shares the node's network namespace`},
		{name: "host network, always, beside a request for another", profiles: append([]Profile{{Name: "a", Capabilities: Capabilities{Add: []string{"CAP_A"}}}}, ping...), ask: "a", facts: shares("network"),
			grants:  []Grant{{Source: "1", Profiles: []string{"ping"}, Namespaces: []string{"ci"}, Always: true}, {Source: "2", Profiles: []string{"a"}, Namespaces: []string{"ci"}}},
			want:    Adjustment{Capabilities: Capabilities{Add: []string{"CAP_A"}}},
			reasons: []Reason{{Granted, "ping", "granted always by 1"}, {Granted, "a", "granted on request by 2"}, hostNet}},
		{name: "host network, and a map that is unknown", profiles: ping, facts: func(f *Facts) {
			shares("network")(f)
			f.Request.UserNamespace = Is(true)
		}, reasons: []Reason{hostNet}},
		{name: "host network does not concern IPC", profiles: sem, facts: shares("network"), want: Adjustment{Sysctls: map[string]string{"kernel.sem": "1 2 3 4"}}},
		{name: "host IPC", profiles: sem, facts: shares("ipc"), reasons: []Reason{{LeftOut, "sem", "sysctl kernel.sem: the pod shares the node's ipc namespace"}}},
		{name: "host IPC, on request", profiles: sem, ask: "sem", facts: shares("ipc"), code: HostNamespace,
			refusal: `asks for profile "sem", whose sysctl kernel.sem would be the node's own: the pod shares the node's ipc namespace`},
		{name: "host IPC does not concern the network", profiles: ping, facts: shares("ipc"), want: set("0 2147483647")},

		{name: "the pod has the same", profiles: ping, facts: given("0 2147483647"), want: set("0 2147483647")},
		{name: "the pod has another", profiles: ping, facts: given("0 5"), code: Conflict,
			refusal: `would get sysctl net.ipv4.ping_group_range = "0 2147483647" of profile "ping", but it holds for the whole pod, and container "init" has "0 5"`},
		{name: "the pod has another sysctl", profiles: sem, facts: given("0 5"), want: Adjustment{Sysctls: map[string]string{"kernel.sem": "1 2 3 4"}}},
	})
}

func TestSysctlNamespace(t *testing.T) {
	for name, want := range map[string]specs.LinuxNamespaceType{
		"net.ipv4.ip_forward": "network", "net.core.somaxconn": "network", "kernel.shmmax": "ipc", "kernel.shm_rmid_forced": "ipc",
		"fs.mqueue.msg_max": "ipc", "kernel.domainname": "uts", "kernel.hostname": "", "kernel.core_pattern": "", "vm.overcommit_memory": "",
		"network.x": "", "net": "", "fs.mqueuex": "", "": "", "kernel.sem.x": "",
	} {
		if got, ok := SysctlNamespace(name); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
}
