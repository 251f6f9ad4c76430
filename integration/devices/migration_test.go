// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"context"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

const accepting = `
[profiles.all-fuse]
include = ["fuse"]
tmpfs = ["/scratch"]
[profiles.cgroup]
cgroup = "writable"
[[grants]]
namespaces = ["moved"]
profiles = ["all-fuse", "fuse", "kvm", "cgroup"]
accept = ["devices.noderesource.dev", "devices.nri.io", "devices.gke.io", "writable-cgroups.noderesource.dev"]
[[grants]]
namespaces = ["by-name"]
profiles = ["fuse"]
`

// Lists of devices as the pods of other tools have them.
const (
	gkeDevices = "- path: /dev/fuse\n- path: /dev/kvm\n\n"
	nriDevices = "- path: /dev/fuse\n  type: c\n  major: 10\n  minor: 229\n  file_mode: 0600\n  uid: 1000\n  gid: 1000\n"
)

// Pods that are annotated for device-injector or for GKE's injector get the devices that
// a grant offers, as its profiles have them, with and without a user namespace.
func TestMigratedDevices(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse", "/dev/kvm")
	n := it.SharedNode(t)
	it.StartAgent(t, n, accepting)
	for name, annotations := range map[string]map[string]string{
		"device-injector":           {"devices.noderesource.dev": nriDevices},
		"device-injector, formerly": {"devices.nri.io/pod": nriDevices, "devices.noderesource.dev": "- path: /dev/mem"},
		"GKE":                       {"devices.gke.io/container.main": gkeDevices},
		"and by name":               {"devices.nri.io/container.main": nriDevices, "profiles.nodegate.dev": "kvm"},
	} {
		for _, userns := range []bool{false, true} {
			pod := node.PodConfig{Namespace: "moved", Annotations: annotations, UserNamespace: userns}
			c := it.Run(t, n, pod, node.ContainerConfig{Name: "main", RunAsUser: new(int64(1000)), RunAsGroup: new(int64(1000))})
			kvm := "ENOENT"
			if name == "GKE" || name == "and by name" {
				kvm = "ok"
			}
			it.ExpectEach(t, c, []it.QA{{"open /dev/fuse rw", "ok"}, {"open /dev/kvm rw", kvm}, {"open /dev/mem r", "ENOENT"}})
			if f := it.Stat(t, c, "/dev/fuse"); f.Mode != "0666" || f.UID != 0 || f.GID != 0 || f.Minor != 229 {
				t.Errorf("%s, user namespace %v: %+v", name, userns, f)
			}
			for _, m := range it.SpecOf(t, c).Mounts {
				if m.Destination == "/scratch" {
					t.Errorf("%s: got the profile that gives more besides", name)
				}
			}
		}
	}
}

// What no grant offers is refused, and what no grant accepts is not read.
func TestMigratedRefusals(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	_, agent := it.StartAgent(t, n, accepting)
	for _, userns := range []bool{false, true} {
		for _, tc := range []struct{ key, value, want string }{
			{"devices.gke.io/container.main", "- path: /dev/mem", `asks by its annotation "devices.gke.io/container.main" for device "/dev/mem", which no profile offers that is granted in namespace "moved" to such annotations (offered there: /dev/fuse, /dev/kvm)`},
			{"devices.nri.io", "- path: /dev/../dev/fuse", `asks by its annotation "devices.nri.io" for device "/dev/../dev/fuse": write its path from the root and in its shortest form, as in "/dev/fuse"`},
			{"devices.noderesource.dev/pod", "- {path: /dev/fuse, type: c, major: 1, minor: 1}", `asks by its annotation "devices.noderesource.dev/pod" for device "/dev/fuse" as c 1:1, which is c 10:229 on this node: correct its type, major and minor, or leave them out`},
			{"devices.nri.io", "/dev/fuse", `has an annotation "devices.nri.io" that is not a list of devices: write a YAML list as in "- path: /dev/fuse"`},
			{"devices.nri.io/main", "[]", `has the annotation "devices.nri.io/main", which means nothing: write "devices.nri.io/pod", or "devices.nri.io/container." and the container's name`},
			{"writable-cgroups.noderesource.dev", "yes", `has "yes" in its annotation "writable-cgroups.noderesource.dev": write "true" or "false"`},
		} {
			p := it.RunPod(t, n, node.PodConfig{Namespace: "moved", UserNamespace: userns, Annotations: map[string]string{tc.key: tc.value}})
			if got := it.Refusal(t, p, node.ContainerConfig{Name: "main"}); !strings.HasSuffix(got, " "+tc.want) {
				t.Errorf("got %s\nwant %s", got, tc.want)
			}
		}
		for _, namespace := range []string{"by-name", "elsewhere"} {
			c := it.Run(t, n, node.PodConfig{Namespace: namespace, UserNamespace: userns, Annotations: map[string]string{
				"devices.gke.io/container.main": gkeDevices, "devices.nri.io": "]", "writable-cgroups.noderesource.dev": "true"}}, node.ContainerConfig{Name: "main"})
			it.Expect(t, c, "open /dev/fuse rw", "ENOENT")
			if nonce := it.SpecOf(t, c).Annotations["nodegate.dev/nonce"]; nonce != "" {
				t.Errorf("adjusted in namespace %q", namespace)
			}
		}
	}
	if log := agent.Log(); !strings.Contains(log, "no profile offers") {
		t.Error("the log does not say why")
	}
}

// Pods that are annotated for writable-cgroups manage the cgroups below their own.
func TestMigratedCgroups(t *testing.T) {
	pod := node.PodConfig{Namespace: "moved", Annotations: map[string]string{
		"writable-cgroups.noderesource.dev": "true", "writable-cgroups.noderesource.dev/container.plain": "false"}}
	check := func(t *testing.T, n *node.Node, pod node.PodConfig, own string) {
		p := it.RunPod(t, n, pod)
		it.Expect(t, it.RunContainer(t, p, node.ContainerConfig{Name: "main"}), "mkdir "+own+"/child", "ok")
		it.Expect(t, it.RunContainer(t, p, node.ContainerConfig{Name: "plain"}), "mkdir "+own+"/child", "EROFS")
	}
	t.Run("v2", func(t *testing.T) {
		n := it.StartNode(t, node.Options{CgroupV2: true})
		it.StartAgent(t, n, accepting)
		check(t, n, it.InUserNamespace(pod), "/sys/fs/cgroup")
	})
	t.Run("v1", func(t *testing.T) {
		it.NeedNamedHierarchy(t)
		n := it.SharedNode(t)
		it.StartAgent(t, n, accepting)
		check(t, n, pod, "/sys/fs/cgroup/systemd")
		check(t, n, it.InUserNamespace(pod), "/sys/fs/cgroup/systemd")
	})
}

// A policy that comes to accept what a running pod is annotated for names the pod as
// lacking it.
func TestMigratedPodThatRuns(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	g, agent := it.StartAgent(t, n, strings.ReplaceAll(accepting, "accept =", "#"))
	it.Run(t, n, node.PodConfig{Namespace: "moved", Annotations: map[string]string{"devices.nri.io": "- path: /dev/fuse"}}, node.ContainerConfig{})
	g.Write(t, accepting)
	ctx, cancel := context.WithTimeout(t.Context(), it.Limit)
	defer cancel()
	if err := agent.WaitLog(ctx, "runs without fuse as today's policy would give it"); err != nil {
		t.Fatal(err)
	}
}
