// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/config"
)

// A run shows of each entry whether it is used, and what is denied that was not denied
// with all privileges.
func TestJudge(t *testing.T) {
	before := events{device("/dev/fuse", "/dev/fuse", "rw"), capability("SYS_ADMIN", "mount"), called("mount", "read", "umount2"),
		{Type: evidence.Capability, Capability: "BPF", Call: "bpf", Over: evidence.OverNode, Error: "EPERM"}}
	c := &observe(t, one(privileged, ""), before).Pods[0].Containers[0]
	for name, tc := range map[string]struct {
		run  events
		want string
	}{
		"all is used": {before, "/dev/fuse: used; CAP_SYS_ADMIN: used; system call mount: used; system call umount2: used"},
		"nothing ran": {nil, "/dev/fuse: unknown; CAP_SYS_ADMIN: unknown; system call mount: unknown; system call umount2: unknown"},
		"something is denied": {events{{Type: evidence.Device, Device: "c 10:1", Path: "/dev/fuse", Error: "EPERM", Access: "rw"},
			{Type: evidence.Denied, Device: "c 10:232", Access: "rw", Error: "EPERM"}, called("umount2")},
			`/dev/fuse: unknown; CAP_SYS_ADMIN: unknown; system call mount: unknown; system call umount2: used; opens device "c 10:1" at "/dev/fuse" (rw): EPERM: denied; opens device "c 10:232" (rw): EPERM: denied`},
		"what the kernel tries by itself is nothing that is denied": {events{
			{Type: evidence.Capability, Capability: "SYS_NICE", Over: evidence.OverNode, Error: "EPERM", Optional: true},
			{Type: evidence.Capability, Capability: "DAC_READ_SEARCH", Over: evidence.OverNode, Error: "EPERM", Call: "openat"},
			{Type: evidence.Mount, Filesystem: "ext4", Error: "ENODEV"}}, "/dev/fuse: unknown; CAP_SYS_ADMIN: unknown; system call mount: unknown; system call umount2: unknown"},
		"what seccomp refuses is denied, but for what programs know of": {events{{Type: evidence.Refused, Call: "setns", Program: "x", Error: "EPERM"}, {Type: evidence.Refused, Call: "io_uring_setup", Error: "ENOSYS"},
			{Type: evidence.Refused, Call: "clone3", Error: "ENOSYS"}, called("mount")},
			"/dev/fuse: unknown; CAP_SYS_ADMIN: unknown; system call mount: used; system call umount2: unknown; is refused a system call by seccomp: EPERM (x, by setns): denied; is refused a system call by seccomp: ENOSYS (by io_uring_setup): denied"},
		"a capability over another namespace is not the profile's": {events{{Type: evidence.Capability, Capability: "SYS_ADMIN", Over: evidence.OverOther}},
			"/dev/fuse: unknown; CAP_SYS_ADMIN: unknown; system call mount: unknown; system call umount2: unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, v := range c.Judge(&evidence.Container{Events: tc.run}, &evidence.Container{Events: before}) {
				result := map[Result]string{Used: "used", Denied: "denied", Unknown: "unknown"}[v.Result]
				got = append(got, fmt.Sprintf("%s: %s", v.What, result))
			}
			if text := strings.Join(got, "; "); text != tc.want {
				t.Errorf("got  %s\nwant %s", text, tc.want)
			}
		})
	}
}

// Minimizing asks once of each entry, goes on without those that make no difference, and
// what is left is the proposal without them.
func TestMinimize(t *testing.T) {
	c, err := config.Parse("policy", []byte("version = 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	f := manifest.Read("x.yaml", strings.NewReader(one(privileged, "")))
	proposal := func(without ...Entry) *Set {
		return For(c, []*manifest.Pod{&f.Pods[0]}, "ns", nil, func(*manifest.Pod, string) *evidence.Container {
			return &evidence.Container{Events: events{device("/dev/fuse", "/dev/fuse", "rw"), device("/dev/net/tun", "/dev/net/tun", "rw"),
				capability("SYS_ADMIN", "mount"), capability("NET_ADMIN", "ioctl"), called("mount", "umount2", "setns")}}
		}, without...)
	}
	all := proposal().Pods[0].Entries()
	want := []Entry{{"a", "/dev/fuse"}, {"a", "/dev/net/tun"}, {"a", "CAP_SYS_ADMIN"}, {"a", "CAP_NET_ADMIN"}, {"a", "system call mount"}, {"a", "system call setns"}, {"a", "system call umount2"}}
	if !slices.Equal(all, want) {
		t.Fatalf("entries %q, want %q", all, want)
	}
	needs := []Entry{want[0], want[2], want[4]}
	tries := 0
	found, err := Minimize(all, func(without []Entry) (bool, string, error) {
		tries++
		left := proposal(without...).Pods[0].Entries()
		return !slices.ContainsFunc(needs, func(e Entry) bool { return !slices.Contains(left, e) }), "seen", nil
	})
	if err != nil || tries != len(all) || len(found) != len(all) {
		t.Fatalf("%d tries of %d, %d found, %v", tries, len(all), len(found), err)
	}
	smallest := proposal(Gone(found)...)
	if left := smallest.Pods[0].Entries(); !slices.Equal(left, needs) {
		t.Errorf("left %q, want %q", left, needs)
	}
	if slices.Contains(smallest.Pods[0].Containers[0].Profiles(), "fuse-mount") {
		t.Error("the built-in profile that allows umount2 gives it back")
	}
	for _, text := range []string{"tun", "NET_ADMIN", "setns", "umount2"} {
		if strings.Contains(smallest.Policy(), text) {
			t.Errorf("the policy has %s still:\n%s", text, smallest.Policy())
		}
	}
	for _, r := range found {
		if r.Needed != slices.Contains(needs, r.Entry) || r.Seen != "seen" {
			t.Errorf("found %+v", r)
		}
	}

	// What fails otherwise ends it, with what was found before.
	found, err = Minimize(all, func(without []Entry) (bool, string, error) {
		if len(without) > 1 {
			return false, "", errors.New("the runtime is gone")
		}
		return true, "seen", nil
	})
	if err == nil || !strings.Contains(err.Error(), `without /dev/net/tun of container "a": the runtime is gone`) || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}
