// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
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

// A pod says something else when a container of it is created than when it was itself, as
// after its annotations have been changed. What it said first counts.
func TestAttackChangedPod(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	it.StartAgent(t, n, authorPolicy)
	for name, tc := range map[string]struct {
		namespace string
		change    func(*runtimeapi.PodSandboxConfig)
	}{
		"it asks":                    {"ci", func(c *runtimeapi.PodSandboxConfig) { c.Annotations["profiles.nodegate.dev"] = "fuse" }},
		"it asks for the container":  {"ci", func(c *runtimeapi.PodSandboxConfig) { c.Annotations["profiles.nodegate.dev/container.main"] = "fuse" }},
		"it is in another namespace": {"team", func(c *runtimeapi.PodSandboxConfig) { c.Metadata.Namespace = "free" }},
		"it has another name":        {"team", func(c *runtimeapi.PodSandboxConfig) { c.Metadata.Name, c.Metadata.Uid = "other", "other" }},
		"it has labels of another":   {"team", func(c *runtimeapi.PodSandboxConfig) { c.Labels["io.kubernetes.pod.namespace"] = "free" }},
		"it has a mark of the node":  {"team", func(c *runtimeapi.PodSandboxConfig) { c.Annotations["kubernetes.io/config.source"] = "file" }},
	} {
		t.Run(name, func(t *testing.T) {
			var config *runtimeapi.PodSandboxConfig
			pod := it.RunPod(t, n, node.PodConfig{Namespace: tc.namespace, Customize: func(c *runtimeapi.PodSandboxConfig) {
				config = proto.Clone(c).(*runtimeapi.PodSandboxConfig)
			}})
			tc.change(config)
			r, err := n.CRI().CreateContainer(t.Context(), &runtimeapi.CreateContainerRequest{PodSandboxId: pod.ID, SandboxConfig: config,
				Config: &runtimeapi.ContainerConfig{Metadata: &runtimeapi.ContainerMetadata{Name: "main"}, Image: &runtimeapi.ImageSpec{Image: node.Image},
					Linux: &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{Seccomp: &runtimeapi.SecurityProfile{}}}}})
			if tc.namespace == "team" { // it shares the pod's processes, and so a denial refuses it
				if err == nil || !strings.Contains(err.Error(), "of pod team/"+pod.Config.Name+" would be denied mknod, mknodat by profile \"no-mknod\"") {
					t.Errorf("it is not denied mknod: %v", err)
				}
				return
			}
			it.Must(t, err)
			_, err = n.CRI().StartContainer(t.Context(), &runtimeapi.StartContainerRequest{ContainerId: r.GetContainerId()})
			it.Must(t, err)
			spec, err := n.ContainerSpec(r.GetContainerId())
			it.Must(t, err)
			for _, d := range spec.Linux.Devices {
				if d.Path == "/dev/fuse" {
					t.Error("it has the device")
				}
			}
		})
	}
}

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
