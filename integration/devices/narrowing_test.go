// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// What a grant narrows by; the sentence of a near miss says what would fit.
func TestNarrowing(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	it.StartAgent(t, n, `
[[grants]]
namespaces = ["iot-*"]
profiles = ["fuse"]
pods = "app in (gw, edge), !legacy"
[[grants]]
namespaces = ["names"]
profiles = ["fuse"]
containers = ["build", "cache-*"]
[[grants]]
namespaces = ["handlers"]
profiles = ["fuse"]
runtime_handlers = ["other"]
[[grants]]
namespaces = ["required"]
profiles = ["fuse"]
user_namespace = "required"
[[grants]]
namespaces = ["forbidden"]
profiles = ["fuse"]
user_namespace = "forbidden"
[[grants]]
namespaces = ["plain"]
profiles = ["fuse"]
`)
	app := func(name string) map[string]string { return map[string]string{"app": name} }
	const fits = ""
	for _, tc := range []struct {
		name, container string
		pod             node.PodConfig
		refused         string
	}{
		{"label", "main", node.PodConfig{Namespace: "iot-1", Labels: app("gw")}, fits},
		{"label-other", "main", node.PodConfig{Namespace: "iot-1", Labels: app("db")}, `only to pods with labels "app in (edge,gw),!legacy"`},
		{"label-absent", "main", node.PodConfig{Namespace: "iot-1"}, `only to pods with labels "app in (edge,gw),!legacy"`},
		{"label-too-many", "main", node.PodConfig{Namespace: "iot-1", Labels: map[string]string{"app": "gw", "legacy": ""}}, `only to pods with labels "app in (edge,gw),!legacy"`},
		{"namespace-glob", "main", node.PodConfig{Namespace: "xiot-1", Labels: app("gw")}, `not granted in namespace "xiot-1" (granted there: nothing)`},
		{"name", "build", node.PodConfig{Namespace: "names"}, fits},
		{"name-glob", "cache-1", node.PodConfig{Namespace: "names"}, fits},
		{"name-other", "main", node.PodConfig{Namespace: "names"}, `only to containers named "build" or "cache-*"`},
		{"handler", "main", node.PodConfig{Namespace: "handlers", Handler: it.OtherHandler}, fits},
		{"handler-default", "main", node.PodConfig{Namespace: "handlers"}, `only under the runtime handler "other"`},
		{"handler-by-name", "main", node.PodConfig{Namespace: "plain", Handler: "runc"}, fits},
		{"handler-not-default", "main", node.PodConfig{Namespace: "plain", Handler: it.OtherHandler}, `only under the default runtime handler, "runc", "crun" or "nodegate"`},
		{"required", "main", node.PodConfig{Namespace: "required", UserNamespace: true}, fits},
		{"required-not", "main", node.PodConfig{Namespace: "required"}, "only to pods with a user namespace (hostUsers: false)"},
		{"forbidden", "main", node.PodConfig{Namespace: "forbidden"}, fits},
		{"forbidden-not", "main", node.PodConfig{Namespace: "forbidden", UserNamespace: true}, "only to pods without a user namespace"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.pod.Annotations = it.AskFor("fuse")
			p := it.RunPod(t, n, tc.pod)
			c := node.ContainerConfig{Name: tc.container}
			if tc.refused == fits {
				it.Expect(t, it.RunContainer(t, p, c), "open /dev/fuse rw", "ok")
				return
			}
			got := it.Refusal(t, p, c)
			if !strings.Contains(got, `asks for profile "fuse", which is `) || !strings.HasSuffix(got, tc.refused) {
				t.Errorf("got %s\nwant that it says %s", got, tc.refused)
			}
		})
	}
}
