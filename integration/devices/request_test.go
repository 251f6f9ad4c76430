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

// The annotations that ask, most specific first, and what a pod is told that asks for
// what it may not have: whole sentences, as kubectl describe pod shows them.
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
	fuse, tun := it.QA{"open /dev/fuse rw", "ok"}, it.QA{"open /dev/net/tun rw", "ok"}
	noFuse, noTun := it.QA{"open /dev/fuse rw", "ENOENT"}, it.QA{"open /dev/net/tun rw", "ENOENT"}
	for _, tc := range []struct {
		name        string
		annotations map[string]string
		want        []it.QA
		refused     string
	}{
		{"nothing", nil, []it.QA{noFuse, noTun}, ""},
		{"bare", map[string]string{bare: "fuse"}, []it.QA{fuse, noTun}, ""},
		{"pod", map[string]string{pod: "fuse"}, []it.QA{fuse, noTun}, ""},
		{"container", map[string]string{container: "fuse"}, []it.QA{fuse, noTun}, ""},
		{"other-container", map[string]string{"profiles.nodegate.dev/container.mainly": "fuse"}, []it.QA{noFuse, noTun}, ""},
		{"pod-over-bare", map[string]string{bare: "fuse", pod: "tun"}, []it.QA{noFuse, tun}, ""},
		{"container-over-all", map[string]string{bare: "fuse", pod: "fuse", container: "tun"}, []it.QA{noFuse, tun}, ""},
		{"container-asks-for-nothing", map[string]string{bare: "fuse", container: ""}, []it.QA{noFuse, noTun}, ""},
		{"blanks-and-twice", map[string]string{bare: " tun , fuse,tun\t"}, []it.QA{fuse, tun}, ""},
		{"other-domain", map[string]string{"profiles.nodegate.dev.example.com": "nonsense"}, []it.QA{noFuse, noTun}, ""},

		{"not-granted", map[string]string{bare: "fuse,ping"}, nil,
			`asks for profile "ping", which is not granted in namespace "ci" (granted there: fuse, kvm, tun)`},
		{"unknown", map[string]string{bare: "fuze"}, nil,
			`asks for profile "fuze", which does not exist (granted in namespace "ci": fuse, kvm, tun)`},
		{"near-miss", map[string]string{bare: "kvm"}, nil, `asks for profile "kvm", which is granted in namespace "ci" `},
		{"upper-case", map[string]string{bare: "Fuse"}, nil, `asks for profile "Fuse", which does not exist`},
		{"empty-name", map[string]string{pod: "fuse,,tun"}, nil,
			`has an empty name in its annotation "profiles.nodegate.dev/pod": write profile names with one comma between them`},
		{"too-long", map[string]string{bare: "fuse" + strings.Repeat(",fuse", 1000)}, nil,
			`has an annotation "profiles.nodegate.dev" of 5004 bytes: write at most 4096, profile names with commas between them`},
		{"long-name", map[string]string{bare: strings.Repeat("x", 4000)}, nil,
			`asks for profile "` + strings.Repeat("x", 80) + `…", which does not exist`},
		{"slip", map[string]string{"profiles.nodegate.dev/containers.main": "fuse"}, nil,
			`has the annotation "profiles.nodegate.dev/containers.main", which means nothing: write "profiles.nodegate.dev/pod", or "profiles.nodegate.dev/container." and the container's name`},
		{"a-path", map[string]string{bare: "/dev/fuse"}, nil, `asks for profile "/dev/fuse", which does not exist`},
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
