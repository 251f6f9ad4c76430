// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

const testPolicy = `version = 1
[profiles.narrow]
sysctls = { "net.ipv4.ping_group_range" = "0 0" }
[[grants]]
namespaces = ["ci"]
profiles = ["ping", "no-mknod"]
[[grants]]
namespaces = ["ci"]
profiles = ["narrow"]
[[grants]]
namespaces = ["locked"]
profiles = ["ping", "no-mknod", "zero"]
apply = "always"
[[profiles.zero.devices]]
path = "/dev/zero"
container_path = "/dev/nought"
access = "r"
`

// needRoot ends a test of records, which are root's alone.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") != "" {
		t.Fatal("records are root's, and CI or NODEGATE_REQUIRE is set")
	}
	t.Skip("records are root's")
}

// newTestPlugin is a plugin for containerd 2.4, with records in a directory.
func newTestPlugin(t *testing.T, dir string) *Plugin {
	t.Helper()
	c, err := config.Parse("test.toml", []byte(testPolicy))
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New("/", c.State.ShadowDir)
	if err != nil {
		t.Fatal(err)
	}
	records, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := New(c.Policy, Node{Host: h, Records: records, NoShadows: errors.New("no shadow nodes in this test")})
	info := runtimes.Of(runtimes.Containerd, "v2.4.2", "v0.12.3")
	p.runtime.Store(&info)
	return p
}

// testPod asks for profiles in namespace "ci".
func testPod(profiles string) *api.PodSandbox {
	return &api.PodSandbox{
		Id: "pod", Name: "p", Namespace: "ci", Pid: uint32(os.Getpid()),
		Annotations: map[string]string{"profiles.nodegate.dev": profiles},
		Linux:       &api.LinuxPodSandbox{Namespaces: testNamespaces()},
	}
}

func testContainer(id string) *api.Container {
	return &api.Container{Id: id, Name: id, PodSandboxId: "pod", Linux: &api.LinuxContainer{Namespaces: testNamespaces()}}
}

func testNamespaces() []*api.LinuxNamespace {
	return []*api.LinuxNamespace{{Type: "network"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}, {Type: "pid"}}
}

// A runtime that leaves things out gets a clear answer, and no panic: nil where no grant
// concerns the container, and a refusal where one does that cannot be carried out.
func TestOddRequests(t *testing.T) {
	needRoot(t)
	odd := []*api.Container{
		nil, {}, {Id: "c"}, {Id: "../c", Name: "c"}, {Name: "c", Linux: &api.LinuxContainer{}},
		{Id: "c", Linux: &api.LinuxContainer{
			Namespaces: []*api.LinuxNamespace{{}}, Devices: []*api.LinuxDevice{{}},
			SeccompPolicy: &api.LinuxSeccomp{Syscalls: []*api.LinuxSyscall{{}}}, Resources: &api.LinuxResources{},
		}, Mounts: []*api.Mount{{}}, User: &api.User{}},
		{Id: "c", Linux: &api.LinuxContainer{Namespaces: []*api.LinuxNamespace{{Type: "user"}}}},
	}
	for i, ctr := range odd {
		for _, pod := range []*api.PodSandbox{nil, {}, {Namespace: "free"}, {Namespace: "free", Linux: &api.LinuxPodSandbox{}}} {
			p := newTestPlugin(t, t.TempDir())
			adjust, update, err := p.CreateContainer(t.Context(), pod, ctr)
			if adjust != nil || update != nil || err != nil {
				t.Errorf("container %d, pod %v: unmatched, and answered %v, %v", i, pod, adjust, err)
			}
		}
		for _, pod := range []*api.PodSandbox{
			{Namespace: "locked"},
			{Namespace: "locked", Linux: &api.LinuxPodSandbox{Namespaces: []*api.LinuxNamespace{{Type: "user"}}}},
			{Namespace: "locked", Linux: &api.LinuxPodSandbox{}, Pid: 1 << 30},
		} {
			p := newTestPlugin(t, t.TempDir())
			adjust, _, err := p.CreateContainer(t.Context(), pod, ctr)
			left, _ := p.node.Records.List()
			var refusal *policy.Refusal
			switch {
			case err == nil && adjust != nil && len(left) == 1:
			case !errors.As(err, &refusal) || adjust != nil:
				t.Errorf("container %d, pod %v: neither adjusted nor refused: %v, %v", i, pod, adjust, err)
			case strings.Contains(err.Error(), "runtime error"):
				t.Errorf("container %d, pod %v: a panic: %v", i, pod, err)
			case len(left) > 0:
				t.Errorf("container %d, pod %v: refused with a record: %v", i, pod, left)
			}
		}
		// Nor do the other requests.
		p := newTestPlugin(t, t.TempDir())
		if err := p.StartContainer(t.Context(), nil, ctr); err != nil {
			t.Errorf("container %d: starting: %v", i, err)
		}
		if err := errors.Join(p.RemoveContainer(t.Context(), nil, ctr), p.RemovePodSandbox(t.Context(), nil)); err != nil {
			t.Errorf("container %d: removing: %v", i, err)
		}
		if _, err := p.Synchronize(t.Context(), []*api.PodSandbox{nil}, []*api.Container{ctr}); err != nil {
			t.Errorf("container %d: synchronizing: %v", i, err)
		}
	}
}

// A panic would end the agent, and the container would be created without it.
func TestPanicRefuses(t *testing.T) {
	p := newTestPlugin(t, t.TempDir())
	p.node.Records = nil
	adjust, _, err := p.CreateContainer(t.Context(), testPod("ping"), testContainer("c"))
	var refusal *policy.Refusal
	if !errors.As(err, &refusal) || refusal.Code != policy.Internal || adjust != nil {
		t.Fatalf("%v, %v: not refused", adjust, err)
	}
	if !strings.Contains(err.Error(), `container "c" of pod ci/p cannot be decided about`) {
		t.Errorf("refused with %q", err)
	}
	// Nor does one end it that comes of no request.
	p.containers.add("c", container{})
	p.policy.Store(nil)
	p.compare(t.Context())
}

// An answer that was ready too late has not reached the runtime: the container is none
// that was given something, whatever came to be known of it meanwhile.
func TestTooLateIsNotGiven(t *testing.T) {
	needRoot(t)
	p := newTestPlugin(t, t.TempDir())
	adjust, _, err := p.CreateContainer(&endsOnceAsked{Context: t.Context()}, testPod("ping"), testContainer("c"))
	if adjust != nil || err == nil || !strings.Contains(err.Error(), "missed the runtime's deadline") {
		t.Errorf("%v, %v", adjust, err)
	}
	if len(p.recorded(t)) != 1 {
		t.Fatal("it was too late from the beginning")
	}
	if all, adjusted, _ := p.Containers(); all != 0 || adjusted != 0 {
		t.Errorf("%d containers, %d adjusted", all, adjusted)
	}
}

// endsOnceAsked is a request's context whose time is over when it is asked again.
type endsOnceAsked struct {
	context.Context
	asked bool
}

func (c *endsOnceAsked) Err() error {
	if c.asked {
		return context.DeadlineExceeded
	}
	c.asked = true
	return nil
}

// Most containers of a node concern no grant.
func TestUnmatchedAllocations(t *testing.T) {
	p := newTestPlugin(t, t.TempDir())
	ctx := context.Background()
	for name, pod := range map[string]*api.PodSandbox{"no grant": testPod(""), "not asked for": testPod("")} {
		if name == "no grant" {
			pod.Namespace, pod.Annotations = "free", nil
		} else {
			pod.Annotations = map[string]string{"example.com/other": "x"}
		}
		ctr := testContainer("c")
		got := testing.AllocsPerRun(1000, func() {
			if adjust, _, err := p.CreateContainer(ctx, pod, ctr); adjust != nil || err != nil {
				t.Fatal(adjust, err)
			}
		})
		t.Logf("%s: %v allocations", name, got)
		if got > 1 {
			t.Errorf("%s: %v allocations, want at most 1", name, got)
		}
	}
}
