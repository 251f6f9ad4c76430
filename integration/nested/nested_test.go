// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package nested

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// nest is a node that runs pods of engines: the image is Debian's with its engines, and
// every pod has the same files at /share and a volume of its own at /vol.
type nest struct {
	*node.Node
	image, share string
	v2           bool // cgroup v2
}

// newNest starts a node with an agent that grants these profiles, each of them apart.
func newNest(t *testing.T, cgroupV2 bool, policy string) *nest {
	t.Helper()
	needEngines(t, node.Options{CgroupV2: cgroupV2})
	n, w := it.WrappedNode(t, node.Options{CgroupV2: cgroupV2})
	g, _ := it.StartAgent(t, n, policy)
	w.Configure(t, g.State)
	x := &nest{Node: n, image: it.ImportImage(t, n, "nested"), share: filepath.Join(n.Dir(), "share"), v2: cgroupV2}
	x.writeShare(t)
	return x
}

// run runs a pod that asks for profiles and sleeps.
func (x *nest) run(t *testing.T, profiles string) *node.Container {
	t.Helper()
	volume, err := os.MkdirTemp(x.Dir(), "vol-")
	it.Must(t, err)
	it.Must(t, os.Chmod(volume, 0o777))
	return it.Run(t, x.Node, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, UserNamespace: true, Annotations: it.AskFor(profiles)},
		x.container(node.Mount{HostPath: volume, ContainerPath: "/vol"}))
}

// needEngines is node.Require for the image and for BuildKit, which Debian does not have.
func needEngines(t *testing.T, o node.Options) {
	t.Helper()
	bin, err := node.BinDir()
	it.Must(t, err)
	if _, err := os.Stat(filepath.Join(bin, "buildkitd")); err != nil {
		if os.Getenv("CI") != "" || os.Getenv(node.RequireEnv) != "" {
			t.Fatalf("%v: run make runtimes", err)
		}
		t.Skipf("%v: run make runtimes", err)
	}
	node.Require(t, o, "nested")
}

// container is one that sleeps, with these mounts and those that all of them have.
func (x *nest) container(mounts ...node.Mount) node.ContainerConfig {
	return node.ContainerConfig{Image: x.image, Command: []string{node.ProbePath, "pause"}, Seccomp: node.SeccompRuntimeDefault, Mounts: append(mounts,
		node.Mount{HostPath: x.share, ContainerPath: "/share", ReadOnly: true},
		node.Mount{HostPath: filepath.Join(x.share, "rootfs/probe"), ContainerPath: node.ProbePath, ReadOnly: true})}
}

// attempt runs a script and returns all that it wrote. It ends at the first command that fails.
func attempt(t *testing.T, c *node.Container, script string) (output string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*it.Limit)
	defer cancel()
	r, err := c.Exec(ctx, "bash", "-c", "exec 2>&1; set -e; cd /root\n"+script)
	if err != nil {
		t.Fatal(err)
	}
	return r.Stdout, r.Code == 0
}

// Pods of the built-in profile "nested": engines work there, all that the profile gives is
// needed for it, and none of it reaches further. On a node with cgroup v1, where the
// machine has it, and on one with v2.
func TestNestedPods(t *testing.T) {
	t.Run("v1", func(t *testing.T) {
		it.NeedNamedHierarchy(t)
		x := newNest(t, false, it.GrantApart("nested", "systemd"))
		t.Run("engines", x.testEngines)
		t.Run("under systemd", x.testSystemd)
		t.Run("ends at the pod", x.testEndsAtThePod)
	})
	t.Run("v2", func(t *testing.T) {
		text := nestedText(t)
		entries := entriesOf(text)
		policy := it.GrantApart("nested", "systemd")
		for _, e := range entries {
			policy += it.GrantApart(lacking(e)) + without(t, text, e)
		}
		x := newNest(t, true, policy)
		t.Run("engines", x.testEngines)
		t.Run("under systemd", x.testSystemd)
		t.Run("does not work", x.testDoesNotWork)
		t.Run("limits", x.testLimits)
		t.Run("ends at the pod", x.testEndsAtThePod)
		t.Run("minimal", func(t *testing.T) { x.testMinimal(t, entries) })
		t.Run("without a user namespace", x.testNeedsUserNamespace)
	})
}

// twoAtATime runs parallel subtests without more load than two pods at once.
func twoAtATime(t *testing.T, names []string, test func(t *testing.T, i int)) {
	t.Helper()
	slots := make(chan struct{}, 2)
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			t.Cleanup(func() { <-slots }) // after the pod's own
			test(t, i)
		})
	}
}

// A pod on the node's own user namespace is refused: SYS_ADMIN would be the node's.
func (x *nest) testNeedsUserNamespace(t *testing.T) {
	p := it.RunPod(t, x.Node, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, Annotations: it.AskFor("nested")})
	const want = `would get profile "nested", which requires a user namespace: set hostUsers: false in the pod's spec`
	if got := it.Refusal(t, p, node.ContainerConfig{}); !strings.Contains(got, want) {
		t.Errorf("refused with %s", got)
	}
}
