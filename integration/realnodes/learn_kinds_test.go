// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// doesAll does one thing of each kind that is recorded, with all privileges.
const doesAll = `set -e
echo x 2>/dev/null >/dev/full || true
mount -t tmpfs here /mnt
mknod /mnt/made c 1 3
echo 0 >/proc/sys/net/ipv4/ip_forward
cat /proc/keys >/dev/null
mkdir /sys/fs/cgroup/below
echo 5 >/sys/fs/cgroup/below/cgroup.max.depth
rmdir /sys/fs/cgroup/below
echo change >/sys/devices/virtual/mem/full/uevent
ulimit -c 0
ulimit -c 1024
ping -c 1 -W 1 127.0.0.1 >/dev/null || true
unshare --net --uts true
unshare --user true
`

// isDenied goes for what a container without privileges does not get.
const isDenied = `unshare --net true
mknod /tmp/made c 10 229
cat /tmp/made
true`

// recordedKinds are the events of both: each has these fields, by which no other event is
// taken for it.
var recordedKinds = []map[string]any{
	{"container": "all", "type": "device", "device": "c 1:7", "path": "/dev/full", "node": "/dev/full", "access": "w", "program": "sh"},
	{"container": "all", "type": "opened", "device": "c 1:7", "access": "w"},
	{"container": "all", "type": "capability", "capability": "SYS_ADMIN", "over": "node", "program": "mount"},
	{"container": "all", "type": "capability", "capability": "SYS_ADMIN", "over": "node", "program": "unshare", "call": "unshare"},
	{"container": "all", "type": "mount", "filesystem": "tmpfs", "path": "here", "program": "mount"},
	{"container": "all", "type": "mknod", "device": "c 1:3", "path": "made", "program": "mknod"},
	{"container": "all", "type": "file", "filesystem": "proc", "path": "/proc/sys/net/ipv4/ip_forward", "access": "w"},
	{"container": "all", "type": "file", "filesystem": "proc", "path": "/proc/keys", "access": "r", "program": "cat"},
	{"container": "all", "type": "file", "filesystem": "sysfs", "path": "/sys/devices/virtual/mem/full/uevent", "access": "w"},
	{"container": "all", "type": "cgroup", "path": "below", "program": "mkdir"},
	{"container": "all", "type": "file", "filesystem": "cgroup", "access": "w"},
	{"container": "all", "type": "rlimit", "limit": "core", "value": 1024 * 512.0},
	{"container": "all", "type": "socket", "socket": "icmp", "program": "ping"},
	{"container": "all", "type": "namespaces", "call": "unshare", "names": []any{"network", "uts"}},
	{"container": "all", "type": "namespaces", "call": "unshare", "names": []any{"user"}},
	{"container": "plain", "type": "refused", "call": "unshare", "program": "unshare", "error": "EPERM"},
	{"container": "plain", "type": "denied", "device": "c 10:229", "program": "cat", "error": "EPERM"},
}

// learnKinds sees that each kind of event is recorded by the kernel that runs, with what makes
// it useful, and that what seccomp refused is said of a container that has no privilege.
func learnKinds(t *testing.T) {
	l := &lesson{T: t, node: attach(t), pod: "kinds"}
	stop := l.recording("--pod", "ci/"+l.pod)
	p := it.RunPod(t, l.node, node.PodConfig{Name: l.pod, Namespace: "ci", Privileged: true})
	l.says("recording pod")
	ids := map[string]string{}
	for _, c := range []node.ContainerConfig{
		{Name: "all", Privileged: true, Command: []string{"sh", "-c", doesAll}},
		{Name: "plain", Seccomp: node.SeccompRuntimeDefault, Command: []string{"sh", "-c", isDenied}},
	} {
		c.Image = node.ImageName("tools")
		running := it.RunContainer(t, p, c)
		ids[running.ID] = c.Name
		t.Logf("container %q has started", c.Name)
		if code, err := running.Wait(t.Context()); err != nil || code != 0 {
			t.Errorf("container %q ends with %d, %v", c.Name, code, err)
		}
	}
	stop()
	seen := recordedEvents(t, ids)
	for _, want := range recordedKinds {
		if !slices.ContainsFunc(seen, func(e map[string]any) bool { return has(e, want) }) {
			t.Errorf("not recorded: %v", want)
		}
	}
	if t.Failed() {
		for _, e := range seen {
			t.Log(e)
		}
	}
	out, err := exec.Command("nodegate", "learn", "--from", saved).CombinedOutput()
	it.Must(t, err)
	for _, want := range []string{"is refused a system call by seccomp: EPERM (unshare, by unshare)", `opens device "c 10:229" (r): EPERM (cat, by `} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the report does not say %q:\n%s", want, out)
		}
	}
	it.Remove(t, p)
}

// recordedEvents are those that were saved, with the names of their containers.
func recordedEvents(t *testing.T, names map[string]string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(saved)
	it.Must(t, err)
	for line := range strings.Lines(string(text)) {
		var e map[string]any
		it.Must(t, json.Unmarshal([]byte(line), &e))
		if id, ok := e["container"].(string); ok {
			e["container"] = names[id]
			all = append(all, e)
		}
	}
	return all
}

// has reports whether an event has these fields.
func has(e, fields map[string]any) bool {
	for name, want := range fields {
		if fmt.Sprint(e[name]) != fmt.Sprint(want) {
			return false
		}
	}
	return true
}
