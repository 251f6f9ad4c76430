// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// An image holds device nodes. They open only what the device cgroup allows, with and
// without a denial of mknod.
func TestAttackNodesOfAnImage(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse", "/dev/loop-control")
	n := it.SharedNode(t)
	image := it.ImportWithNodes(t, n, it.ImageNode{Path: "etc/fuse", Major: 10, Minor: 229}, it.ImageNode{Path: "etc/control", Major: 10, Minor: 237})
	it.StartAgent(t, n, `
[profiles.fuse-by-number]
device_cgroup_rules = ["c 10:229 rw"]
[[grants]]
namespaces = ["ci"]
profiles = ["no-mknod"]
apply = "always"
[[grants]]
namespaces = ["ci"]
profiles = ["fuse-by-number"]
`)
	for name, tc := range map[string]struct {
		ask, fuse string
		userns    bool
	}{
		"no rule, plain pod":      {"", "EPERM", false},
		"no rule, user namespace": {"", "EPERM", true},
		"a rule, plain pod":       {"fuse-by-number", "ok", false},
		"a rule, user namespace":  {"fuse-by-number", "ok", true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := node.PodConfig{Namespace: "ci", UserNamespace: tc.userns}
			if tc.ask != "" {
				pod.Annotations = it.AskFor(tc.ask)
			}
			c := it.Run(t, n, pod, node.ContainerConfig{Image: image, RunAsUser: new(int64(1000))})
			it.ExpectEach(t, c, []it.QA{{"mknod c /tmp/fuse 10 229", "EPERM"}, {"open /etc/fuse rw", tc.fuse}, {"open /etc/control r", "EPERM"}})
		})
	}
}
