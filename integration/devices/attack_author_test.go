// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// authorPolicy gives to ci on request, and takes from team always.
const authorPolicy = `
[[grants]]
namespaces = ["ci"]
profiles = ["fuse"]
[[grants]]
namespaces = ["team"]
profiles = ["no-mknod"]
apply = "always"
`

// A container has a name that means something to a file system, a log, a glob or an
// annotation's key. It gets what it may have, or is refused; the agent and what it keeps on
// the node are as before.
func TestAttackOddNames(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	g, agent := it.StartAgent(t, n, authorPolicy)
	for _, name := range []string{"..", "../../x", "a/b", "*", "a\nb", "\x1b[2J", `"`, strings.Repeat("x", 300)} {
		t.Run(name, func(t *testing.T) {
			for namespace, annotations := range map[string]map[string]string{"ci": it.AskFor("fuse"), "team": nil} {
				pod := it.RunPod(t, n, node.PodConfig{Namespace: namespace, UserNamespace: namespace == "ci", Annotations: annotations})
				c, err := pod.RunContainer(t.Context(), node.ContainerConfig{Name: name, AddCapabilities: []string{"MKNOD"}, Seccomp: node.SeccompRuntimeDefault,
					Customize: func(c *runtimeapi.ContainerConfig) { c.LogPath = "log" }})
				switch {
				case err != nil: // the runtime or the agent refuses it
				case namespace == "ci":
					it.Expect(t, c, "open /dev/fuse rw", "ok")
				default:
					it.Expect(t, c, "mknod b /tmp/b 7 0", "EPERM")
				}
				it.Remove(t, pod)
			}
		})
	}
	if left := g.Left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if log := agent.Log(); strings.Contains(log, "panic") || strings.Contains(log, "not connected") {
		t.Error("the agent was not well")
	}
}
