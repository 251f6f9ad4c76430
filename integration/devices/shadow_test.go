// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/node"
)

// A shadow node belongs to the root of its pod's user namespace, in directories that
// let that root pass but not look, and goes with its container.
func TestShadowNodes(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse", "/dev/net/tun")
	n := it.SharedNode(t)
	g, _ := it.StartAgent(t, n, it.GrantApart("fuse", "tun"))
	p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true, Annotations: it.AskFor("fuse,tun"),
		UIDMappings: []node.IDMapping{{Container: 0, Host: 300000, Size: 65536}},
		GIDMappings: []node.IDMapping{{Container: 0, Host: 400000, Size: 65536}}})
	one := it.RunContainer(t, p, node.ContainerConfig{Name: "one"})
	two := it.RunContainer(t, p, node.ContainerConfig{Name: "two"})

	for dir, want := range map[string]string{g.Shadows: "711 0:0", filepath.Join(g.Shadows, one.ID): "710 0:400000"} {
		st := hostStat(t, dir)
		if got := fmt.Sprintf("%o %d:%d", st.Mode&0o7777, st.Uid, st.Gid); got != want {
			t.Errorf("%s has mode and owner %s, want %s", dir, got, want)
		}
	}
	nodes := nodesOf(t, g, one)
	if len(nodes) != 2 {
		t.Fatalf("%d shadow nodes, want 2", len(nodes))
	}
	for _, path := range nodes {
		st := hostStat(t, path)
		if st.Mode != unix.S_IFCHR|0o666 || st.Uid != 300000 || st.Gid != 400000 {
			t.Errorf("%s has mode %o and belongs to %d:%d, want %o and 300000:400000", path, st.Mode, st.Uid, st.Gid, unix.S_IFCHR|0o666)
		}
	}
	for _, c := range []*node.Container{one, two} {
		it.ExpectEach(t, c, []it.QA{{"open /dev/fuse rw", "ok"}, {"ioctl-tun", "ok"}})
	}

	if err := one.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(g.Shadows, one.ID)); err == nil {
		t.Error("the shadow nodes of a container that was removed are there")
	}
	if len(nodesOf(t, g, two)) != 2 {
		t.Error("the other container's shadow nodes went too")
	}
	it.ExpectEach(t, two, []it.QA{{"open /dev/fuse rw", "ok"}, {"ioctl-tun", "ok"}})
}

// The root of a real pod changes the mode of its node. A local user of the node, who
// knows the path, cannot open it.
func TestAttackShadowModeInAPod(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	g, _ := it.StartAgent(t, n, it.GrantApart("read")+`[profiles.read]
devices = [{ path = "/dev/fuse", access = "r", mode = "0440" }]
`)
	c := it.Run(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true, Annotations: it.AskFor("read")}, node.ContainerConfig{})
	it.ExpectEach(t, c, []it.QA{{"chmod /dev/fuse 0666", "ok"}, {"open /dev/fuse r", "ok"}, {"open /dev/fuse w", "EPERM"}})
	at := filepath.Join(g.Shadows, c.ID, "0")
	if st := hostStat(t, at); st.Mode&0o777 != 0o666 {
		t.Fatalf("%s has mode %o: nothing was tried", at, st.Mode)
	}
	nobody := exec.Command("/bin/dd", "if="+at, "of=/dev/null", "bs=1", "count=1")
	nobody.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := nobody.CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
		t.Errorf("as nobody of the node: %v, %s", err, out)
	}
}

func hostStat(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st
}

func nodesOf(t *testing.T, g *it.Gate, c *node.Container) []string {
	t.Helper()
	nodes, err := filepath.Glob(filepath.Join(g.Shadows, c.ID, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

// A container that is refused, or that the runtime cannot create after all, leaves no
// shadow node.
func TestShadowNodesOfFailures(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	g, _ := it.StartAgent(t, n, it.GrantApart("fuse"))
	p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true, Annotations: it.AskFor("fuse")})
	c, err := p.CreateContainer(t.Context(), node.ContainerConfig{Name: "no-program", Command: []string{"/nothing"}})
	if err == nil {
		err = p.StartContainer(t.Context(), c)
	}
	if err == nil {
		t.Fatal("a program that does not exist started")
	}
	if c != nil {
		if err := c.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// One that is created and never started.
	if c, err = p.CreateContainer(t.Context(), node.ContainerConfig{Name: "not-started"}); err != nil {
		t.Fatal(err)
	}
	if len(nodesOf(t, g, c)) != 1 {
		t.Error("a container that was created has no shadow node")
	}
	if err := c.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := g.Left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// containerd gives every device node that it finds below /dev to privileged containers.
// Shadow nodes are none of them, and do not keep such a container from starting.
func TestPrivilegedBesideShadowNodes(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	g, _ := it.StartAgent(t, n, it.GrantApart("fuse"))
	shadowed := it.Run(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true, Annotations: it.AskFor("fuse")}, node.ContainerConfig{})
	if len(nodesOf(t, g, shadowed)) != 1 {
		t.Fatal("there is no shadow node to be seen")
	}
	for _, userns := range []bool{false, true} {
		c := it.Run(t, n, node.PodConfig{Privileged: true, UserNamespace: userns}, node.ContainerConfig{Privileged: true})
		spec := it.SpecOf(t, c)
		if len(spec.Linux.Devices) == 0 {
			t.Error("a privileged container got no devices at all")
		}
		for _, d := range spec.Linux.Devices {
			if strings.HasPrefix(d.Path, "/dev/.udev") {
				t.Errorf("a privileged container (user namespace: %v) got %s", userns, d.Path)
			}
		}
		it.Expect(t, c, "ls /dev/.udev", "ENOENT")
	}
	// A privileged container asks like any other. It has the device already.
	plain := it.Run(t, n, node.PodConfig{Namespace: "ci", Privileged: true, Annotations: it.AskFor("fuse")}, node.ContainerConfig{Privileged: true})
	it.Expect(t, plain, "open /dev/fuse rw", "ok")
	p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Privileged: true, UserNamespace: true, Annotations: it.AskFor("fuse")})
	if got := it.Refusal(t, p, node.ContainerConfig{Privileged: true}); !strings.Contains(got, "has a device there already, from a device plugin or because it is privileged") {
		t.Error(got)
	}
}
