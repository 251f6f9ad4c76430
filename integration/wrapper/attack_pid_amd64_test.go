// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package wrapper

import (
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// A container traces the process of its pod's sandbox, which is denied nothing, or of
// the node or of another container. Whatever is denied something is refused there. The
// probe's part of it (mknod-by) is written for amd64, and so is the test.
func TestAttackDenialThroughPause(t *testing.T) {
	for _, version := range []string{node.DefaultContainerd, "1.7.35"} {
		t.Run(version, func(t *testing.T) { testDenialThroughPause(t, version) })
	}
}

func testDenialThroughPause(t *testing.T, version string) {
	n, w := it.WrappedNode(t, node.Options{Containerd: version})
	g, _ := it.StartAgent(t, n, `runtime.handlers = ["nodegate"]
[[grants]]
namespaces = ["team-*"]
profiles = ["no-mknod"]
apply = "always"
[[grants]]
namespaces = ["managed"]
profiles = ["managed"]
apply = "always"
[profiles.managed]
cgroup = "writable"
`)
	w.Exempt(t, g.State)
	pod := func(namespace string, c node.PodConfig) *node.Pod {
		c.Namespace, c.Handler = namespace, it.Wrapped
		return it.RunPod(t, n, c)
	}
	// What the attack does where nodegate denies nothing: the container itself has no
	// CAP_MKNOD, the sandbox has.
	control := it.RunContainer(t, pod("elsewhere", node.PodConfig{ShareProcesses: true}),
		node.ContainerConfig{DropCapabilities: []string{"MKNOD"}, AddCapabilities: []string{"SYS_PTRACE"}})
	it.ExpectEach(t, control, []it.QA{{"mknod b /tmp/own 7 0", "EPERM"}, {"mknod-by 1 b /tmp/evil 7 0", "ok"}})
	if got := it.Stat(t, control, "/tmp/evil"); got.Type != "block" {
		t.Errorf("the attack makes %+v", got)
	}

	apart := pod("team-a", node.PodConfig{Privileged: true})
	target := it.RunContainer(t, apart, node.ContainerConfig{Name: "target"})
	it.ExpectEach(t, target, []it.QA{{"mknod b /tmp/own 7 0", "EPERM"}, {"mknod-by 1 b /tmp/evil 7 0", "EPERM"}})
	// Nor does it matter whose processes those are: of a target the runtime tells the
	// process, and not what that is denied. This one has every device of the node.
	privileged := it.RunContainer(t, apart, node.ContainerConfig{Name: "privileged", Privileged: true})
	into := func(target *node.Container) func(*runtimeapi.ContainerConfig) {
		return func(c *runtimeapi.ContainerConfig) {
			c.Linux.SecurityContext.NamespaceOptions.Pid = runtimeapi.NamespaceMode_TARGET
			c.Linux.SecurityContext.NamespaceOptions.TargetId = target.ID
		}
	}
	for name, tc := range map[string]struct {
		pod       *node.Pod
		container node.ContainerConfig
		want      string
	}{
		"the sandbox's": {pod("team-a", node.PodConfig{ShareProcesses: true}), node.ContainerConfig{},
			"shares a PID namespace with a process that is not denied it and can be made to do it: leave shareProcessNamespace out"},
		"as another user": {pod("team-a", node.PodConfig{ShareProcesses: true, RunAsUser: new(int64(1000))}),
			node.ContainerConfig{NoNewPrivs: true, DropCapabilities: []string{"ALL"}}, "leave shareProcessNamespace out"},
		"the node's": {pod("team-a", node.PodConfig{HostPID: true}), node.ContainerConfig{},
			"shares the node's PID namespace, where a process that is not denied it can be made to do it: leave hostPID out"},
		"another container's":      {apart, node.ContainerConfig{Name: "debugger", Customize: into(target)}, "targetContainerName"},
		"a privileged container's": {apart, node.ContainerConfig{Name: "debugger", Customize: into(privileged)}, "targetContainerName"},
		"the node's, for its cgroups": {pod("managed", node.PodConfig{HostPID: true}), node.ContainerConfig{DropCapabilities: []string{"ALL"}},
			"into which it could move the node's processes on cgroup v1, since it shares their PID namespace: leave hostPID out"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := it.Refusal(t, tc.pod, tc.container); !strings.Contains(got, tc.want) {
				t.Errorf("got %s\nwant … %s …", got, tc.want)
			}
		})
	}
	if version == "1.7.35" {
		return // has no user namespaces for pods
	}
	// There the kernel lets nobody make device nodes.
	userns := it.RunContainer(t, pod("team-a", node.PodConfig{ShareProcesses: true, UserNamespace: true}), node.ContainerConfig{AddCapabilities: []string{"SYS_PTRACE"}})
	it.ExpectEach(t, userns, []it.QA{{"mknod b /tmp/own 7 0", "EPERM"}, {"mknod-by 1 b /tmp/evil 7 0", "EPERM"}})
}
