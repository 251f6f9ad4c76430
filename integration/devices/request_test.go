// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// The most specific annotation asks, and a pod that asks for what it may not have is told
// so in a sentence that kubectl describe pod shows whole. Which annotations ask, and all
// that may be wrong with them, are tables of the engine.
func TestRequests(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse", "/dev/net/tun")
	n := it.SharedNode(t)
	it.StartAgent(t, n, `
[[grants]]
namespaces = ["ci"]
profiles = ["fuse", "tun"]
[[grants]]
namespaces = ["ci"]
profiles = ["kvm"]
pods = "app in (gw, edge)"
containers = ["vm-*"]
runtime_handlers = ["other"]
user_namespace = "required"
[[grants]]
namespaces = ["elsewhere"]
profiles = ["ping"]
`)
	const bare, pod, container = "profiles.nodegate.dev", "profiles.nodegate.dev/pod", "profiles.nodegate.dev/container.main"
	tun, noFuse := it.QA{"open /dev/net/tun rw", "ok"}, it.QA{"open /dev/fuse rw", "ENOENT"}
	for _, tc := range []struct {
		name        string
		annotations map[string]string
		want        []it.QA
		refused     string
	}{
		{"container-over-all", map[string]string{bare: "fuse", pod: "fuse", container: "tun"}, []it.QA{noFuse, tun}, ""},
		{"not-granted", map[string]string{bare: "fuse,ping"}, nil,
			`asks for profile "ping", which is not granted in namespace "ci" (granted there: fuse, tun)`},
		{"control-characters", map[string]string{bare: "a\nb\x1b[31m"}, nil, `asks for profile "a\nb\x1b[31m", which does not exist`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: tc.annotations})
			if tc.refused == "" {
				it.ExpectEach(t, it.RunContainer(t, p, node.ContainerConfig{}), tc.want)
				return
			}
			got := it.Refusal(t, p, node.ContainerConfig{})
			if want := fmt.Sprintf(`container "main" of pod ci/%s %s`, p.Config.Name, tc.refused); !strings.HasPrefix(got, want) {
				t.Errorf("got %s\nwant %s", got, want)
			}
			if len(got) > 900 || strings.ContainsAny(got, "\n\x1b") {
				t.Errorf("not one readable line of an event (%d bytes): %q", len(got), got)
			}
		})
	}
}
