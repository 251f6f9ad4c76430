// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// What a grant narrows by is what a real runtime tells of a pod. How each narrowing decides,
// and in which words, is a table of the engine.
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
		{"name-other", "main", node.PodConfig{Namespace: "names"}, `only to containers named "build" or "cache-*"`},
		{"handler", "main", node.PodConfig{Namespace: "handlers", Handler: it.OtherHandler}, fits},
		{"handler-default", "main", node.PodConfig{Namespace: "handlers"}, `only under the runtime handler "other"`},
		{"required-not", "main", node.PodConfig{Namespace: "required"}, "only to pods with a user namespace (hostUsers: false)"},
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
