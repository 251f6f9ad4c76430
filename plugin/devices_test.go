// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/nri/pkg/api"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

const devicePolicy = `version = 1
[[profiles.modem.devices]]
path = "/dev/modem"
access = "rw"
[[grants]]
namespaces = ["ci"]
profiles = ["modem"]
`

// newDevicePlugin makes a plugin of a node with a /dev of its own.
func newDevicePlugin(t *testing.T, root string) *Plugin {
	t.Helper()
	needRoot(t)
	p := newTestPlugin(t, t.TempDir())
	if err := os.MkdirAll(root+"/dev", 0o755); err != nil {
		t.Fatal(err)
	}
	h, err := host.New(root, "/dev/.udev/nodegate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	shadows, err := host.NewShadows(root, "/dev/.udev/nodegate")
	if err != nil {
		t.Fatal(err)
	}
	with := New(parsed(t, devicePolicy), Node{Host: h, Records: p.node.Records, Shadows: shadows})
	with.runtime.Store(p.runtime.Load())
	return with
}

// plug makes a node of major 188, in the place of one that is there.
func plug(t *testing.T, at string, minor uint32) {
	t.Helper()
	if err := unix.Mknod(at+".new", unix.S_IFCHR|0o660, int(unix.Mkdev(188, minor))); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(at+".new", at); err != nil {
		t.Fatal(err)
	}
}

// A device that comes back under another number is told of once, with both numbers,
// until it is what the container has.
func TestDeviceChanged(t *testing.T) {
	root := t.TempDir()
	p := newDevicePlugin(t, root)
	told := make(chan *event.Event, 10)
	p.Observe(func(_ context.Context, o *event.Event) { told <- o })
	at := root + "/dev/modem"
	plug(t, at, 0)
	create(t, p, testPod("modem"), "c1")
	if o := <-told; o.Result != event.Adjusted {
		t.Fatal(o)
	}
	outdated := func(want int) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			if _, _, outdated := p.Containers(); len(outdated) == want {
				return
			}
			if time.Since(began) > time.Minute {
				t.Fatalf("not %d outdated containers", want)
			}
		}
	}
	plug(t, at, 5)
	outdated(1)
	o := <-told
	const changed = `device "/dev/modem" is c 188:0 there and c 188:5 on the node now`
	if o.Result != event.Outdated || o.Code != policy.DeviceChanged || len(o.Changes) != 1 || o.Changes[0] != changed || !strings.Contains(o.Text, changed+": delete the pod") {
		t.Errorf("told %+v", o)
	}
	plug(t, at, 6)
	if o := <-told; !strings.Contains(o.Text, "c 188:6 on the node now") {
		t.Errorf("told %+v", o)
	}
	if err := os.Remove(at); err != nil {
		t.Fatal(err)
	}
	outdated(0)
	plug(t, at, 0)
	outdated(0)
	plug(t, at, 7)
	outdated(1)
	if p.stats.Outdated.Load() != 3 {
		t.Errorf("counted %d times", p.stats.Outdated.Load())
	}
	// The next agent knows it from the record.
	again := New(p.policy.Load(), p.node)
	pod, ctr := testPod("modem"), testContainer("c1")
	r, err := p.node.Records.Read("c1")
	if err != nil {
		t.Fatal(err)
	}
	ctr.Annotations = map[string]string{record.Annotation: r.Nonce}
	if _, err := again.Synchronize(t.Context(), []*api.PodSandbox{pod}, []*api.Container{ctr}); err != nil {
		t.Fatal(err)
	}
	p = again
	outdated(1)
}

// A new agent takes over the live directories of the one before: it brings them up to
// date, follows /dev, and removes those whose container is gone.
func TestLiveIsTakenOver(t *testing.T) {
	root := t.TempDir()
	first := newDevicePlugin(t, root)
	for _, id := range []string{"c1", "gone"} {
		r, err := record.New()
		if err != nil {
			t.Fatal(err)
		}
		dir := policy.LiveDirectory{Path: "/dev/.udev/nodegate/" + id + "/live-0", ContainerPath: "/dev/serial/by-id", Devices: []policy.LiveDevices{{
			Select: policy.DeviceSelector{Path: "/dev/ttyT*"}, Majors: []int64{188}, UID: 100000, GID: 100000}}}
		r.ContainerID, r.PodID, r.Profiles, r.Definitions = id, "pod", []string{"modem"}, []string{"x"}
		r.Given.LiveDirectories = []policy.LiveDirectory{dir}
		if err := errors.Join(first.node.Records.Write(r), first.node.Shadows.Create(id, 100000, nil, dir)); err != nil {
			t.Fatal(err)
		}
	}
	// While no agent is there.
	plug(t, root+"/dev/ttyT0", 0)
	p := New(first.policy.Load(), first.node)
	if _, err := p.Synchronize(t.Context(), []*api.PodSandbox{testPod("")}, []*api.Container{testContainer("c1")}); err != nil {
		t.Fatal(err)
	}
	home := root + "/dev/.udev/nodegate/"
	names := func() string {
		found, err := filepath.Glob(home + "c1/live-0/*")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range found {
			out = append(out, filepath.Base(f))
		}
		return strings.Join(out, " ")
	}
	if got := names(); got != "ttyT0" {
		t.Errorf("taken over with %q", got)
	}
	if _, err := os.Stat(home + "gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a container that is gone: %v", err)
	}
	until := func(want string) {
		t.Helper()
		for began := time.Now(); names() != want; time.Sleep(time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Fatalf("the directory has %q, want %q", names(), want)
			}
		}
	}
	p.containers.mu.Lock() // whatever all containers are looked at for
	plug(t, root+"/dev/ttyT1", 1)
	until("ttyT0 ttyT1")
	if err := os.Remove(root + "/dev/ttyT0"); err != nil {
		t.Fatal(err)
	}
	until("ttyT1")
	p.containers.mu.Unlock()
	if err := p.RemoveContainer(t.Context(), testPod(""), testContainer("c1")); err != nil {
		t.Fatal(err)
	}
	plug(t, root+"/dev/ttyT2", 2)
	if _, err := os.Stat(home + "c1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a removed container: %v", err)
	}
}
