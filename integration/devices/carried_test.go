// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// What NRI cannot carry is refused by name under a handler that is not nodegate-runc,
// and nothing of the profile is given, not even what NRI could carry.
func TestNotCarried(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	g, _ := it.StartAgent(t, n, it.GrantApart("mknod", "open-proc", "no-raw", "adopt", "mixed")+`
[profiles.open-proc]
requires.user_namespace = true
proc_mount = "unmasked"
[profiles.no-raw.capabilities]
drop = ["NET_RAW"]
[profiles.adopt]
adopt_devices = true
[profiles.mixed]
include = ["fuse", "ping", "mknod"]
`)
	const handler = `: set runtimeClassName: nodegate in the pod's spec (a RuntimeClass of handler "nodegate")`
	nri := func(profile string) string {
		return fmt.Sprintf(" by profile %q, which containerd v2.4.2 (NRI 0.12.3) cannot carry", profile) + handler
	}
	given := []node.Device{{HostPath: "/dev/fuse", ContainerPath: "/dev/given", Permissions: "rw"}}
	for _, tc := range []struct{ profile, plain, userns string }{
		{"mknod", "the capabilities CAP_MKNOD" + nri("mknod"), "the capabilities CAP_MKNOD" + nri("mknod")},
		{"no-raw", "the drop of CAP_NET_RAW" + nri("no-raw"), "the drop of CAP_NET_RAW" + nri("no-raw")},
		{"mixed", "the capabilities CAP_MKNOD" + nri("mixed"), "the capabilities CAP_MKNOD" + nri("mixed")},
		{"adopt", "the ownership of /dev/given" + nri("adopt"),
			`its device "/dev/given" to use, which in a pod with a user namespace only nodegate-runc can give` + handler},
		{"open-proc", `profile "open-proc", which requires a user namespace: set hostUsers: false in the pod's spec [unmet]` +
			"; and would get an unmasked /proc" + nri("open-proc") + " [not_carried]", "an unmasked /proc" + nri("open-proc")},
	} {
		for _, userns := range []bool{false, true} {
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskFor(tc.profile)})
			got := it.Refusal(t, p, node.ContainerConfig{Devices: given})
			want := fmt.Sprintf("container \"main\" of pod ci/%s would get %s", p.Config.Name, map[bool]string{false: tc.plain, true: tc.userns}[userns])
			if got != want {
				t.Errorf("%s, user namespace %v:\n got %s\nwant %s", tc.profile, userns, got, want)
			}
			if left := g.Left(); len(left) > 0 {
				t.Errorf("%s: a refused container left %q", tc.profile, left)
			}
		}
	}
}
