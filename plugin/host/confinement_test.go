// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// confine puts the test's thread into a device cgroup that allows only these.
// On a machine without cgroup v1 nothing less than a container has one of its
// own: TestConfinedNode of the integration tests.
func confine(t *testing.T, allowed ...string) {
	t.Helper()
	const hierarchy = "/sys/fs/cgroup/devices"
	if _, err := os.Stat(hierarchy + "/devices.list"); err != nil {
		t.Skip("no device cgroup of v1 here")
	}
	own := fmt.Sprintf("%s/nodegate-test-%d", hierarchy, os.Getpid())
	must(t, os.Mkdir(own, 0o755))
	write := func(file, text string) {
		t.Helper()
		must(t, os.WriteFile(file, []byte(text), 0))
	}
	tid := fmt.Sprint(unix.Gettid())
	t.Cleanup(func() {
		write(hierarchy+"/tasks", tid)
		must(t, os.Remove(own))
	})
	write(own+"/devices.deny", "a")
	for _, rule := range allowed {
		write(own+"/devices.allow", rule)
	}
	write(own+"/tasks", tid)
}

func needs(rules ...string) policy.Needs {
	n := policy.Needs{Devices: []policy.DeviceRule{
		{Path: "/dev/one", Access: "rw"}, {Path: "/dev/two*", Access: "rw"}, {Path: "/dev/three", Access: "r"},
		{Path: "/dev/absent", Access: "rw"},
	}}
	for _, rule := range rules {
		var kind, access string
		var major, minor int64
		if _, err := fmt.Sscanf(strings.ReplaceAll(rule, "*", "-1"), "%s %d:%d %s", &kind, &major, &minor, &access); err != nil {
			panic(err)
		}
		r := specs.LinuxDeviceCgroup{Allow: true, Type: kind, Access: access}
		if major >= 0 {
			r.Major = &major
		}
		if minor >= 0 {
			r.Minor = &minor
		}
		n.DeviceRules = append(n.DeviceRules, r)
	}
	return n
}

// The numbers are of no driver: what is found, the cgroup has said.
func TestConfinement(t *testing.T) {
	root := fakeNode(t)
	mknod(t, root+"/dev/one", unix.S_IFCHR|0o600, 3001, 1)
	mknod(t, root+"/dev/two1", unix.S_IFBLK|0o666, 3002, 1)
	mknod(t, root+"/dev/two2", unix.S_IFBLK|0o666, 3002, 2)
	mknod(t, root+"/dev/three", unix.S_IFCHR|0o666, 3003, 3)
	h, s := newHost(t, root), newShadows(t, root, testDir)
	rules := []string{"c 3004:* rw", "c 3005:* rwm", "b *:* m", "c 3006:6 r"}
	if err := h.Confinement(s, needs(rules...)); err != nil {
		t.Errorf("outside of a device cgroup: %v", err)
	}
	confine(t, "c 1:3 rwm", "c 3001:1 rw", "b 3002:1 rwm", "c 3003:3 wm", "c 3004:* rwm", "c 3005:0 rwm", "b *:* m", "c 3006:* rm")

	want := []string{
		"/dev/one (c 3001:1 m)", "/dev/two2 (b 3002:2 rw)", "/dev/three (c 3003:3 r)", "c 3005:* m",
	}
	err := h.Confinement(s, needs(rules...))
	var confined *ConfinedError
	if !errors.As(err, &confined) || !errors.Is(err, unix.EPERM) {
		t.Fatalf("got %v, want a ConfinedError", err)
	}
	if got := fmt.Sprint(confined.Denied); got != fmt.Sprint(want) {
		t.Errorf("denied\n got %s\nwant %s", got, want)
	}
	if got, want := err.Error(), "the device cgroup of the agent denies what the policy grants: /dev/one (c 3001:1 m), "; !strings.HasPrefix(got, want) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := look(root + "/dev/.udev"); got != unix.ENOENT.Error() {
		t.Errorf("left: %s", got)
	}

	// Without shadow nodes, devices that are there can still be asked about.
	if errors.As(h.Confinement(nil, needs(rules...)), &confined); fmt.Sprint(confined.Denied) != "[/dev/two2 (b 3002:2 rw) /dev/three (c 3003:3 r)]" {
		t.Errorf("without shadow nodes: denied %v", confined.Denied)
	}
}

// An agent's own device cgroup, in a pod of its own, binds no other container.
func TestConfinementOfTheAgentAlone(t *testing.T) {
	root := fakeNode(t)
	mknod(t, root+"/dev/one", unix.S_IFCHR|0o600, 3001, 1)
	h, s := newHost(t, root), newShadows(t, root, testDir)
	confine(t, "c 1:3 rwm")
	for _, c := range []struct{ list, first, want string }{
		{list: "a *:* rwm\n", want: "{true true}"},
		{list: "c 1:3 rwm\nc 3001:* rw\nc *:* m\n", want: "{true true}"},
		{list: "c 1:3 rwm\nc 3001:1 rw\n", want: "{false true}"},
		{list: "b 3001:1 rwm\n", want: "{false true}"},
		{want: "{false false}"},
		// Where the hierarchy is seen from its top, the node is further down.
		{list: "a *:* rwm\n", first: "4:devices:/machine/node\n", want: "{false true}"},
		{list: "a *:* rwm\n", first: "4:devices:/../../machine/node\n", want: "{false true}"},
		{list: "a *:* rwm\n", first: "4:devices:/\n", want: "{true true}"},
	} {
		dir := root + "/sys/fs/cgroup/devices"
		must(t, os.RemoveAll(root+"/sys"))
		must(t, os.RemoveAll(root+"/proc"))
		if c.list != "" {
			mkdir(t, dir+"/machine/node")
			must(t, os.WriteFile(dir+"/devices.list", []byte(c.list), 0o600))
			must(t, os.WriteFile(dir+"/machine/node/devices.list", []byte("c 1:* rwm\n"), 0o600))
		}
		if c.first != "" {
			mkdir(t, root+"/proc/1")
			must(t, os.WriteFile(root+"/proc/1/cgroup", []byte("5:pids:/\n"+c.first), 0o600))
		}
		var confined *ConfinedError
		if !errors.As(h.Confinement(s, needs()), &confined) {
			t.Fatal("not confined")
		}
		if got := fmt.Sprintf("{%v %v}", confined.AgentAlone.Value, confined.AgentAlone.OK); got != c.want {
			t.Errorf("devices.list %q, PID 1 in %q: got %s, want %s", c.list, c.first, got, c.want)
		}
		if (confined.Remedy() == "") != confined.AgentAlone.Value {
			t.Errorf("remedy %q", confined.Remedy())
		}
	}
}
