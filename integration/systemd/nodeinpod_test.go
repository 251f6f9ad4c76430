// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/node"
)

// A node in a pod: containerd, runc, nodegate and its wrapper run in a pod with a user
// namespace that has the profile "nested" of an outer nodegate, and run pods there.
func TestNodeInPod(t *testing.T) {
	switch it.Inside() {
	case "volume":
		innerNodeOnAVolume(t)
	case "tmpfs":
		innerNodeOnATmpfs(t)
	default:
		it.NeedDevices(t, "/dev/fuse")
		runInPod(t, node.Options{CgroupV2: true}, "volume", "tmpfs")
	}
}

// On cgroup v1 no controller is delegated, and runc wants one for each container.
func TestNodeInPodOnCgroupV1(t *testing.T) {
	if it.Inside() == "" {
		it.NeedNamedHierarchy(t)
		runInPod(t, node.Options{}, "v1")
		return
	}
	_, err := it.StartInside(t, node.Options{}).RunPod(t.Context(), node.PodConfig{Name: "inner"})
	if err == nil || !strings.Contains(err.Error(), "runc create failed: unable to start container process: unable to apply cgroup configuration: mkdir /sys/fs/cgroup/") ||
		!strings.HasSuffix(err.Error(), ": read-only file system") {
		t.Errorf("a pod of a node in a pod on cgroup v1: %v", err)
	}
}

// runInPod runs parts of the test's inner half in a pod that has the profile "nested".
func runInPod(t *testing.T, o node.Options, parts ...string) {
	t.Helper()
	n, w := it.WrappedNode(t, o)
	g, _ := it.StartAgent(t, n, it.GrantApart("nested"))
	w.Configure(t, g.State)
	pod := node.PodConfig{Namespace: "ci", Handler: it.Wrapped, UserNamespace: true, Annotations: it.AskFor("nested")}
	c := it.Run(t, n, pod, node.ContainerConfig{
		// A system's image, for what a node needs of one.
		Image: it.ImportImage(t, n, it.SystemdImage), Command: []string{"sleep", "infinity"}, Seccomp: node.SeccompRuntimeDefault, Mounts: it.InsideMounts(t, n),
	})
	for _, part := range parts {
		r, err := c.Exec(t.Context(), it.InsideCommand(t, part)...)
		it.Must(t, err)
		if r.Code != 0 {
			t.Errorf("the inner half, %s:\n%s%s", part, r.Stdout, r.Stderr)
		}
	}
}

// The inner node's directory is a volume of the pod, which belongs to the outer node.
func innerNodeOnAVolume(t *testing.T) {
	n, agent := innerNode(t)
	// What the kernel refuses to everybody in a user namespace is said at the start.
	const want = "the agent is in a user namespace, where the kernel lets nobody make device nodes (mknod c 1:3: operation not permitted)"
	if log := agent.Log(); !strings.Contains(log, want) {
		t.Errorf("the agent's log does not have %q:\n%s", want, log)
	}
	innerPod(t, n, false)

	// Only who owns a file system may map its ids anew, and the volume is the outer node's.
	pod := innerPodConfig(true)
	pod.Name = "mapped"
	_, err := n.RunPod(t.Context(), pod)
	if err == nil || !strings.Contains(err.Error(), "failed to create idmapped mount: unable to shift GID/UID or set mount attrs") ||
		!strings.Contains(err.Error(), "operation not permitted") {
		t.Errorf("a pod with a user namespace, whose image is on the volume: %v", err)
	}
}

// The inner node's directory is on a tmpfs that the pod has mounted.
func innerNodeOnATmpfs(t *testing.T) {
	it.Must(t, unix.Mount("tmpfs", os.TempDir(), "tmpfs", 0, "mode=755"))
	n, _ := innerNode(t)
	innerPod(t, n, false)
	innerPod(t, n, true)
}

func innerNode(t *testing.T) (*node.Node, *node.Process) {
	bin, err := node.BinDir()
	it.Must(t, err)
	it.Must(t, os.MkdirAll("/etc/nodegate", 0o755))
	n := it.StartInside(t, node.Options{CgroupV2: true, PATH: bin, Handlers: map[string]string{it.Wrapped: filepath.Join(bin, "nodegate-runc")}})
	g, agent := it.StartAgent(t, n, `[profiles.net]
capabilities = { add = ["NET_ADMIN"], drop = ["NET_RAW"] }
`+it.Delegating+it.GrantApart("fuse", "ping", "no-mknod", "net"))
	it.Must(t, os.WriteFile("/etc/nodegate/runc.toml", fmt.Appendf(nil, "version = 1\npath = \"runc\"\nstate_dir = %q\n", g.State), 0o600))
	return n, agent
}

func innerPodConfig(userns bool) node.PodConfig {
	p := node.PodConfig{Namespace: "ci", Handler: it.Wrapped, UserNamespace: userns, Annotations: it.AskFor("ping,no-mknod,net")}
	if userns { // within the 65536 ids that the node has
		p.Annotations = it.AskFor("ping,no-mknod,net,cgroup")
		p.UIDMappings = []node.IDMapping{{Container: 0, Host: 10000, Size: 10000}}
		p.GIDMappings = p.UIDMappings
	}
	return p
}

// innerPod runs a pod on the inner node, which gets of its nodegate what a user
// namespace does not stand against.
func innerPod(t *testing.T, n *node.Node, userns bool) {
	t.Helper()
	p := it.RunPod(t, n, innerPodConfig(userns))
	c := it.RunContainer(t, p, node.ContainerConfig{})
	maxGID, cgroup := "65535", "EROFS"
	if userns {
		maxGID, cgroup = "9999", "ok"
	}
	it.ExpectEach(t, c, []it.QA{
		{"sysctl " + it.PingRange, "0 " + maxGID},
		{"ping " + it.Gateway, "reply from " + it.Gateway},
		{"mknod b /dev/shm/block 7 0", "EPERM"},
		{"mknod c /dev/shm/whiteout 0 0", "ok"},
		{"mkdir /sys/fs/cgroup/child", cgroup},
	})
	// containerd's default set, with NET_ADMIN for NET_RAW.
	if got := it.Ask(t, c, "caps")[0]; !strings.Contains(got, `"effective":"00000000a80415fb"`) {
		t.Errorf("capabilities of the inner container: %s", got)
	}

	ofFuse := innerPodConfig(userns)
	ofFuse.Annotations = it.AskFor("fuse")
	if !userns {
		// runc binds the node that the pod has of the outer nodegate.
		it.Expect(t, it.Run(t, n, ofFuse, node.ContainerConfig{}), "open /dev/fuse rw", "ok")
		return
	}
	const want = "the agent is in a user namespace"
	if got := it.Refusal(t, it.RunPod(t, n, ofFuse), node.ContainerConfig{}); !strings.Contains(got, want) {
		t.Errorf("a device in a pod with a user namespace: refused with %s", got)
	}
}
