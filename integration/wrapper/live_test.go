// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package wrapper

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// The consoles' screens stand for devices that come and go: many of one major number,
// which open.
const screens = 7

// adapters plugs devices into the machine's own /dev, under names of the test.
type adapters struct {
	t      *testing.T
	prefix string
}

func newAdapters(t *testing.T) *adapters {
	t.Helper()
	it.NeedDevices(t, "/dev/vcs", "/dev/vcs1")
	a := &adapters{t, fmt.Sprintf("/dev/nodegate-adapter-%d-", os.Getpid())}
	t.Cleanup(func() {
		left, _ := filepath.Glob(a.prefix + "*")
		for _, at := range left {
			_ = os.Remove(at)
		}
	})
	return a
}

func (a *adapters) plug(name string, minor uint32) {
	a.t.Helper()
	it.Must(a.t, unix.Mknod(a.prefix+name, unix.S_IFCHR|0o600, int(unix.Mkdev(screens, minor))))
}

func (a *adapters) unplug(name string) {
	a.t.Helper()
	it.Must(a.t, os.Remove(a.prefix+name))
}

// inside is where a device is in the container.
func (a *adapters) inside(name string) string { return "/dev/adapters/" + filepath.Base(a.prefix+name) }

func (a *adapters) policy() string {
	return fmt.Sprintf("%s[[profiles.live.devices]]\npath = %q\nlive = \"/dev/adapters\"\naccess = \"rw\"\nmode = \"0660\"\ngid = \"user\"\n",
		it.GrantApart("live"), a.prefix+"*")
}

func livePod() node.PodConfig {
	return node.PodConfig{Namespace: "ci", UserNamespace: true, Handler: it.Wrapped, Annotations: it.AskFor("live")}
}

// follow changes something and returns how long it takes until the container's open
// has the answer.
func follow(t *testing.T, c *node.Container, at, answer string, change func()) time.Duration {
	t.Helper()
	when := make(chan string, 1)
	go func() {
		got, err := c.Probe(t.Context(), "until", answer, at, "rw")
		if err != nil {
			got = err.Error()
		}
		when <- got
	}()
	time.Sleep(500 * time.Millisecond) // until the probe asks
	began := time.Now()
	change()
	got := <-when
	nanos, err := strconv.ParseInt(got, 10, 64)
	if err != nil {
		t.Fatalf("%s: %s, want %s", at, got, answer)
	}
	return time.Unix(0, nanos).Sub(began)
}

// A running container follows what is plugged in, also after the agent was killed.
func TestLiveDevices(t *testing.T) {
	a := newAdapters(t)
	n, w := it.WrappedNode(t, node.Options{})
	g := it.NewGate(t, n, "runtime.handlers = [\"nodegate\"]\n"+a.policy())
	w.Exempt(t, g.State)
	agent := g.Start(t)
	p := it.RunPod(t, n, livePod())
	if got := it.Refusal(t, p, node.ContainerConfig{Name: "early"}); !strings.Contains(got, "this node has no device") {
		t.Errorf("before anything is plugged in: %s", got)
	}
	a.plug("a", 0)
	c := it.RunContainer(t, p, node.ContainerConfig{RunAsUser: new(int64(1000)), RunAsGroup: new(int64(2000))})
	it.ExpectEach(t, c, []it.QA{
		{"open " + a.inside("a") + " rw", "ok"},
		{"ls /dev/adapters", filepath.Base(a.inside("a"))},
		{"mknod c /dev/adapters/x 7 1", "EROFS"},
		{"unlink " + a.inside("a"), "EROFS"},
	})
	if f := it.Stat(t, c, a.inside("a")); f != (it.File{Type: "char", Mode: "0660", UID: 0, GID: 2000, Major: screens, Minor: 0}) {
		t.Errorf("the node: %+v", f)
	}
	var took []time.Duration
	gone := func(name string) {
		took = append(took, follow(t, c, a.inside(name), "ENOENT", func() { a.unplug(name) }))
	}
	come := func(name string, minor uint32) {
		took = append(took, follow(t, c, a.inside(name), "ok", func() { a.plug(name, minor) }))
	}
	gone("a")
	come("a", 1)
	if f := it.Stat(t, c, a.inside("a")); f.Minor != 1 {
		t.Errorf("the node after another plug: %+v", f)
	}
	come("b", 0)
	gone("a")
	for _, d := range took {
		if d > 100*time.Millisecond {
			t.Errorf("it took %s", d)
		}
	}
	t.Logf("it took %v", took)

	// Twenty plugs a second, of which the last counts.
	for i := range 20 {
		a.plug("c", uint32(i%2))
		time.Sleep(25 * time.Millisecond)
		a.unplug("c")
		time.Sleep(25 * time.Millisecond)
	}
	come("c", 1)
	if f := it.Stat(t, c, a.inside("c")); f.Minor != 1 {
		t.Errorf("the node after twenty plugs: %+v", f)
	}

	it.Kill(t, n, agent)
	a.unplug("c")
	a.plug("d", 1)
	it.Expect(t, c, "open "+a.inside("d")+" rw", "ENOENT")
	g.Start(t)
	it.ExpectEach(t, c, []it.QA{{"open " + a.inside("c") + " rw", "ENOENT"}, {"open " + a.inside("d") + " rw", "ok"}})
	come("e", 0)
	it.Remove(t, p)
	if left := g.Left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// A container with a live device, whose rule is for a whole major number, tries to open
// a neighbour by nodes of its image, its volumes and elsewhere. None opens, and a pod
// that could walk around that is refused.
func TestAttackLiveNeighbour(t *testing.T) {
	a := newAdapters(t)
	a.plug("a", 0)
	n, w := it.WrappedNode(t, node.Options{})
	g := it.NewGate(t, n, "runtime.handlers = [\"nodegate\"]\n"+a.policy()+`
[profiles.rule]
device_cgroup_rules = ["c 7:* rw"]
`+it.GrantApart("rule"))
	w.Exempt(t, g.State)
	g.Start(t)
	image := it.ImportWithNodes(t, n, it.ImageNode{Path: "etc/neighbour", Major: screens, Minor: 1})
	volume := filepath.Join(n.Dir(), "volume")
	it.Must(t, os.Mkdir(volume, 0o777))
	it.Must(t, unix.Mknod(filepath.Join(volume, "neighbour"), unix.S_IFCHR|0o666, int(unix.Mkdev(screens, 1))))
	it.Must(t, unix.Chmod(filepath.Join(volume, "neighbour"), 0o666))
	mounts := []node.Mount{{HostPath: volume, ContainerPath: "/volume"}}

	questions := func(neighbour string) []it.QA {
		return []it.QA{{"open /etc/neighbour r", neighbour}, {"open /volume/neighbour r", neighbour}}
	}
	control := livePod()
	control.Annotations = it.AskFor("rule")
	c := it.Run(t, n, control, node.ContainerConfig{Image: image, Mounts: mounts})
	it.ExpectEach(t, c, questions("ok")) // so the rule alone opens them

	c = it.Run(t, n, livePod(), node.ContainerConfig{Image: image, Mounts: mounts})
	it.ExpectEach(t, c, append(questions("EACCES"), []it.QA{
		{"open " + a.inside("a") + " rw", "ok"},
		{"mknod c /tmp/x 7 1", "EPERM"},
		{"mknod c /dev/x 7 1", "EPERM"},
		{"mount tmpfs /tmp", "EPERM"},
		{"open /dev/null rw", "ok"},
	}...))

	for name, tc := range map[string]struct {
		pod       func(*node.PodConfig)
		container node.ContainerConfig
		want      string
	}{
		"without a user namespace": {func(p *node.PodConfig) { p.UserNamespace = false }, node.ContainerConfig{}, "set hostUsers: false"},
		"without the wrapper":      {func(p *node.PodConfig) { p.Handler = "" }, node.ContainerConfig{}, "would get the live directory /dev/adapters"},
		"shared processes":         {func(p *node.PodConfig) { p.ShareProcesses = true }, node.ContainerConfig{}, "shares a PID namespace"},
		"CAP_SYS_ADMIN":            {nil, node.ContainerConfig{AddCapabilities: []string{"SYS_ADMIN"}}, "CAP_SYS_ADMIN"},
		"a volume that propagates": {nil, node.ContainerConfig{Mounts: []node.Mount{{HostPath: volume, ContainerPath: "/volume",
			Propagation: runtimeapi.MountPropagation_PROPAGATION_HOST_TO_CONTAINER}}}, "in which mounts of the node appear"},
		"a volume there": {nil, node.ContainerConfig{Mounts: []node.Mount{{HostPath: volume, ContainerPath: "/dev/adapters"}}}, "has a volume of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := livePod()
			if tc.pod != nil {
				tc.pod(&pod)
			}
			if got := it.Refusal(t, it.RunPod(t, n, pod), tc.container); !strings.Contains(got, tc.want) {
				t.Errorf("refused with %s, want %s", got, tc.want)
			}
		})
	}
}
