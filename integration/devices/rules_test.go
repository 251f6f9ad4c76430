// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// A rule of the device cgroup lets a container open nodes that it makes itself, for
// exactly the access that the rule says. In a user namespace nodes cannot be made.
func TestDeviceCgroupRules(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse", "/dev/loop-control", "/dev/loop0")
	n := it.SharedNode(t)
	it.StartAgent(t, n, it.GrantApart("both", "reader", "wide")+`
[profiles.both]
device_cgroup_rules = ["c 10:229 rw"]
[profiles.reader]
device_cgroup_rules = ["c 10:229 r"]
[profiles.wide]
device_cgroup_rules = ["b 7:* r", "c 10:* rwm"]
`)
	p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskForEach("both", "reader", "wide")})
	for _, tc := range []struct {
		profile               string
		fuseR, fuseW, control string
		loopR, loopW          string
	}{
		{"none", "EPERM", "EPERM", "EPERM", "EPERM", "EPERM"},
		{"both", "ok", "ok", "EPERM", "EPERM", "EPERM"},
		{"reader", "ok", "EPERM", "EPERM", "EPERM", "EPERM"},
		{"wide", "ok", "ok", "ok", "ok", "EPERM"},
	} {
		c := it.RunContainer(t, p, node.ContainerConfig{Name: tc.profile})
		it.ExpectEach(t, c, []it.QA{
			{"mknod c /fuse 10 229", "ok"}, {"mknod c /control 10 237", "ok"}, {"mknod b /loop 7 0", "ok"},
			{"open /fuse r", tc.fuseR}, {"open /fuse w", tc.fuseW}, {"open /control r", tc.control},
			{"open /loop r", tc.loopR}, {"open /loop w", tc.loopW},
		})
	}
	userns := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true, Annotations: it.AskFor("both")})
	c := it.RunContainer(t, userns, node.ContainerConfig{})
	it.Expect(t, c, "mknod c /dev/shm/fuse 10 229", "EPERM")
}

// CDI's own files name the device; containerd puts it in.
func TestCDI(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	spec := `{"cdiVersion": "0.6.0", "kind": "example.com/test", "devices": [
		{"name": "fuse", "containerEdits": {"env": ["BY_CDI=yes"], "deviceNodes": [{"path": "/dev/fuse", "permissions": "rw", "fileMode": 438}]}}]}`
	file := filepath.Join(n.Dir(), "cdi", "test.json")
	t.Cleanup(func() { _ = os.Remove(file) })
	if err := os.WriteFile(file, []byte(spec), 0o644); err != nil {
		t.Fatal(err)
	}
	it.StartAgent(t, n, it.GrantApart("by-cdi", "absent")+`
[profiles.by-cdi]
cdi_devices = ["example.com/test=fuse"]
[profiles.absent]
cdi_devices = ["example.com/test=none"]
`)
	plain := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskForEach("by-cdi", "absent")})
	c := it.RunContainer(t, plain, node.ContainerConfig{Name: "by-cdi", RunAsUser: new(int64(1000))})
	it.ExpectEach(t, c, []it.QA{{"open /dev/fuse rw", "ok"}, {"env BY_CDI", "yes"}})
	it.Expect(t, it.RunContainer(t, plain, node.ContainerConfig{Name: "unasked"}), "open /dev/fuse", "ENOENT")
	// A name that CDI does not know: containerd refuses it, in its own words.
	if _, err := plain.RunContainer(t.Context(), node.ContainerConfig{Name: "absent"}); err == nil || !strings.Contains(err.Error(), "example.com/test=none") {
		t.Errorf("a CDI device that does not exist: %v", err)
	}

	userns := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true, Annotations: it.AskFor("by-cdi")})
	want := fmt.Sprintf(`container "main" of pod ci/%s would get CDI device "example.com/test=fuse", which a pod with a user namespace cannot use: `, userns.Config.Name)
	if got := it.Refusal(t, userns, node.ContainerConfig{}); !strings.HasPrefix(got, want) {
		t.Errorf("got %s\nwant %s…", got, want)
	}
}

// A pod's author can write CDI's annotation, or name another CDI device. Neither gives
// anything, and a denial also holds for a container whose CDI device comes from a device plugin.
func TestAttackCDI(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	file := filepath.Join(n.Dir(), "cdi", "attack.json")
	t.Cleanup(func() { _ = os.Remove(file) })
	it.Must(t, os.WriteFile(file, []byte(`{"cdiVersion": "0.6.0", "kind": "example.com/attack", "devices": [
		{"name": "fuse", "containerEdits": {"deviceNodes": [{"path": "/dev/fuse", "permissions": "rw", "fileMode": 438}]}}]}`), 0o644))
	it.StartAgent(t, n, it.GrantApart("no-mknod", "fuse-elsewhere")+`
[[grants]]
namespaces = ["ci"]
profiles = ["no-mknod"]
apply = "always"
[profiles.fuse-elsewhere]
devices = [{ path = "/dev/fuse", access = "r" }]
`)
	const name = "example.com/attack=fuse"
	for what, tc := range map[string]struct {
		pod  map[string]string
		ctr  node.ContainerConfig
		want string // of opening /dev/fuse; "" for a refusal
	}{
		"the pod's annotation":           {map[string]string{"cdi.k8s.io/a": name}, node.ContainerConfig{}, "ENOENT"},
		"NVIDIA's annotation":            {map[string]string{"nvidia.cdi.k8s.io/a": name}, node.ContainerConfig{}, "ENOENT"},
		"a device, to escape a denial":   {nil, node.ContainerConfig{CDIDevices: []string{name}}, "ok"},
		"a device at a granted path":     {it.AskFor("fuse-elsewhere"), node.ContainerConfig{CDIDevices: []string{name}}, "EPERM"},
		"a device that does not exist":   {nil, node.ContainerConfig{CDIDevices: []string{"example.com/attack=none"}}, ""},
		"a name that is a path":          {nil, node.ContainerConfig{CDIDevices: []string{"/dev/fuse"}}, ""},
		"a name with a link to a parent": {nil, node.ContainerConfig{CDIDevices: []string{"../../etc/x=fuse"}}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			pod := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: tc.pod})
			tc.ctr.AddCapabilities, tc.ctr.Seccomp = []string{"MKNOD"}, node.SeccompRuntimeDefault
			c, err := pod.RunContainer(t.Context(), tc.ctr)
			if tc.want == "" {
				if err == nil {
					t.Error("it runs")
				}
				return
			}
			it.Must(t, err)
			it.ExpectEach(t, c, []it.QA{{"open /dev/fuse rw", tc.want}, {"mknod b /tmp/b 7 0", "EPERM"}})
		})
	}
}
