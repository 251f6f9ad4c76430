// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"strings"

	"github.com/nodegate/nodegate/integration/node"
)

// takenOver makes a pod with all that the agent's has, but for its program: an agent that
// somebody else controls. It goes when the caller is done.
func takenOver(k *kube) (gone func()) {
	spec := k.template()
	containers := spec["containers"].([]any)
	agent := containers[0].(map[string]any)
	if len(containers) != 1 || agent["name"] != "agent" {
		k.Fatalf("%v", containers)
	}
	for _, key := range []string{"args", "command", "ports", "livenessProbe", "readinessProbe", "startupProbe"} {
		delete(agent, key)
	}
	agent["image"], agent["imagePullPolicy"] = node.Image, "Never"
	delete(spec, "initContainers") // which end before an agent starts
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": spec,
		"metadata": map[string]any{"name": "taken", "namespace": namespace}})
	if err != nil {
		k.Fatal(err)
	}
	k.apply(string(text))
	k.ready(namespace, "taken")
	return func() { k.do("-n", namespace, "delete", "pod", "taken", "--timeout=60s") }
}

// leastPrivilege tries to do more than the agent has to.
func leastPrivilege(k *kube) {
	defer takenOver(k)()
	defer k.Command("rmdir", "/run/nodegate/x").Run()
	for _, try := range []struct{ question, want string }{
		// What it is there for.
		{"cat /host/proc/1/gid_map", "0 0 4294967295"},
		{"mkdir /host/dev/.udev/nodegate/x", "ok"},
		{"mknod c /host/dev/.udev/nodegate/x/0 10 229", "ok"},
		{"mkdir /run/nodegate/x", "ok"},
		// The node's devices and processes.
		{"open /host/dev/kvm rw", "EPERM"}, // by the device cgroup
		{"open /host/dev/.udev/nodegate/x/0 rw", "EPERM"},
		{"mknod c /host/dev/none 1 3", "EROFS"},
		{"write /host/proc/1/oom_score_adj 0", "EROFS"},
		{"write /host/proc/sys/kernel/core_pattern |/evil", "ENOENT"},
		{"ls /host/proc/sys/fs/binfmt_misc", "ENOENT"},
		{"ls /host/proc/1/root", "EACCES"},
		{"cat /host/proc/1/environ", "EACCES"},
		{"write /host/sys/fs/cgroup/memory/release_agent /evil", "EPERM"},
		// On cgroup v1 it is free to leave its device cgroup: only the next question is
		// asked within it again.
		{"write /host/sys/fs/cgroup/devices/cgroup.procs 0", "ok"},
		// Its own container.
		{"mkdir /tmp/x", "EROFS"},
		{"mount tmpfs /tmp", "EPERM"},
		{"write /etc/nodegate/config.toml y", "EACCES"},
		{"ls /host/etc", "ENOENT"},
		{"ls /var/run/secrets", "ENOENT"},
		{"ls /host/sys/kernel", "ENOENT"},
	} {
		got := k.probe(namespace, "taken", try.question)
		if strings.Contains(got, "\n") || strings.Contains(got, "\t") || strings.Contains(got, "  ") {
			got = strings.Join(strings.Fields(got), " ")
		}
		if got != try.want {
			k.Errorf("%s: %s, want %s", try.question, got, try.want)
		}
	}
	const few = "0000000008000009" // CHOWN is 0, FOWNER 3, MKNOD 27
	if got := k.probe(namespace, "taken", "caps"); strings.Count(got, few) != 3 || !strings.Contains(got, `"bounding":"`+few) {
		k.Errorf("capabilities %s", got)
	}
}

// Where the agent is given the one hierarchy of cgroup v1 that it needs, it stays in its
// device cgroup.
func leastOnCgroupV1(k *kube) {
	k.upgrade("--set", "delegation.path=/sys/fs/cgroup/systemd")
	k.rollout()
	defer takenOver(k)()
	for _, hierarchy := range []string{"devices", "memory", "freezer"} {
		if got := k.probe(namespace, "taken", "write /host/sys/fs/cgroup/"+hierarchy+"/cgroup.procs 0"); got != "EROFS" {
			k.Errorf("leaving its cgroup in %s: %s", hierarchy, got)
		}
	}
}
