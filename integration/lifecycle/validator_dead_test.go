// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// NRI's validator counts a required plugin as there for one request after it hung, or
// died; for one that died, up to NRI 0.12.3. It is so of every plugin that does not
// validate by itself, and is shown with one that does nothing.
func TestValidatorCountsTheDead(t *testing.T) {
	null := it.BuildCommand(t, "github.com/nodegate/nodegate/integration/nullplugin")
	for _, version := range []string{node.DefaultContainerd, "2.2.9"} {
		t.Run(version, func(t *testing.T) {
			n := it.StartNode(t, node.Options{Containerd: version, ExtraConfig: it.ShortTimeout + validating()})
			required := map[string]string{"required-plugins.noderesource.dev": `["null"]`}
			const absent = `required plugin "null" not present`
			p := it.RunPod(t, n, node.PodConfig{Annotations: required})
			rejection(t, p, node.ContainerConfig{Name: "before"}, absent)

			hung := startNull(t, n, null)
			it.RunContainer(t, p, node.ContainerConfig{Name: "with"})
			it.Must(t, node.Freeze(hung.Process))
			it.RunContainer(t, p, node.ContainerConfig{Name: "hung"})
			rejection(t, p, node.ContainerConfig{Name: "hung-2"}, absent)

			dead := startNull(t, n, null)
			it.Must(t, dead.Process.Kill())
			_ = dead.Wait() // killed
			it.RunContainer(t, p, node.ContainerConfig{Name: "dead"})
			rejection(t, p, node.ContainerConfig{Name: "dead-2"}, absent)

			// A request about a new pod's sandbox always comes before its containers.
			dead = startNull(t, n, null)
			it.Must(t, dead.Process.Kill())
			_ = dead.Wait()
			rejection(t, it.RunPod(t, n, node.PodConfig{Annotations: required}), node.ContainerConfig{Name: "new"}, absent)
		})
	}
}

// startNull starts the plugin that does nothing and returns once containerd has it.
func startNull(t *testing.T, n *node.Node, program string) *exec.Cmd {
	t.Helper()
	const registered = `plugin \"90-null\" connected and synchronized`
	before := strings.Count(n.Containerd().Log(), registered)
	cmd := exec.Command(program, n.NRISocket())
	it.Must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	it.Must(t, n.Containerd().WaitFor(t.Context(), "the null plugin", func() bool {
		return strings.Count(n.Containerd().Log(), registered) > before
	}))
	return cmd
}
