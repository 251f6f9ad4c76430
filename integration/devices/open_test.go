// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"os"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

const devicePolicy = `
[[profiles.reader.devices]]
path = "/dev/fuse"
access = "r"
mode = "0666"

[[profiles.writer.devices]]
path = "/dev/fuse"
access = "w"
mode = "0666"

# An m alone: a node to look at, which nobody opens.
[[profiles.nodes.devices]]
path = "/dev/fuse"
access = "m"
mode = "0666"

[[profiles.owned.devices]]
path = "/dev/fuse"
access = "rw"
mode = "0640"
uid = 1234
gid = 1000

[[profiles.users.devices]]
path = "/dev/fuse"
access = "rw"
mode = "0600"
uid = "user"
gid = "user"

# As the node has it: for root alone, in the tests' node.
[[profiles.hosts.devices]]
path = "/dev/fuse"
access = "rw"
`

// opening is what a container with one profile sees of its device.
type opening struct {
	profile, path, mode string
	uid, gid            uint32
	ofUser              bool              // the ids are those of the process
	root, user          map[string]string // answers by question, as uid 0 and 1000
}

func openings(t *testing.T) []opening {
	t.Helper()
	info, err := os.Stat("/dev/fuse")
	if err != nil {
		t.Fatal(err)
	}
	hostMode := info.Mode().Perm()
	if hostMode&0o006 != 0 && hostMode&0o006 != 0o006 {
		t.Fatalf("/dev/fuse has the odd mode %o", hostMode)
	}
	byHostMode := "EACCES"
	if hostMode&0o006 == 0o006 {
		byHostMode = "ok"
	}
	open := func(r, w, rw string) map[string]string { return map[string]string{"r": r, "w": w, "rw": rw} }
	all := open("ok", "ok", "ok")
	return []opening{
		{profile: "kvm", path: "/dev/kvm", mode: "0666", root: all, user: all},
		{profile: "fuse", path: "/dev/fuse", mode: "0666", root: all, user: all},
		{profile: "tun", path: "/dev/net/tun", mode: "0666", root: all, user: all},
		{profile: "reader", path: "/dev/fuse", mode: "0666", root: open("ok", "EPERM", "EPERM"), user: open("ok", "EPERM", "EPERM")},
		{profile: "writer", path: "/dev/fuse", mode: "0666", root: open("EPERM", "ok", "EPERM"), user: open("EPERM", "ok", "EPERM")},
		{profile: "nodes", path: "/dev/fuse", mode: "0666", root: open("EPERM", "EPERM", "EPERM"), user: open("EPERM", "EPERM", "EPERM")},
		{profile: "owned", path: "/dev/fuse", mode: "0640", uid: 1234, gid: 1000, root: all, user: open("ok", "EACCES", "EACCES")},
		{profile: "users", path: "/dev/fuse", mode: "0600", ofUser: true, root: all, user: all},
		{profile: "hosts", path: "/dev/fuse", mode: fmt.Sprintf("%04o", hostMode), root: all,
			user: open(byHostMode, byHostMode, byHostMode)},
	}
}

// A device that a profile gives opens for exactly what it says, and looks as it says,
// whoever the container's user is and whether the pod has a user namespace.
func TestDeviceOpens(t *testing.T) {
	it.NeedDevices(t, "/dev/kvm", "/dev/fuse", "/dev/net/tun")
	n := it.SharedNode(t)
	it.StartAgent(t, n, it.GrantApart("kvm", "fuse", "tun", "reader", "writer", "nodes", "owned", "users", "hosts")+devicePolicy)
	for name, userns := range map[string]bool{"plain": false, "user namespace": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			annotations := map[string]string{}
			for _, tc := range openings(t) {
				annotations["profiles.nodegate.dev/container.root-"+tc.profile] = tc.profile
				annotations["profiles.nodegate.dev/container.user-"+tc.profile] = tc.profile
			}
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: annotations, UserNamespace: userns})
			for _, tc := range openings(t) {
				tc.check(t, it.RunContainer(t, p, node.ContainerConfig{Name: "root-" + tc.profile}), 0, tc.root)
				tc.check(t, it.RunContainer(t, p, node.ContainerConfig{Name: "user-" + tc.profile,
					RunAsUser: new(int64(1000)), RunAsGroup: new(int64(1000))}), 1000, tc.user)
			}
		})
	}
}

// check asks for all at once.
func (o opening) check(t *testing.T, c *node.Container, id uint32, answers map[string]string) {
	t.Helper()
	questions := []string{"stat " + o.path}
	want := []string{""}
	for access, answer := range answers {
		questions, want = append(questions, "open "+o.path+" "+access), append(want, answer)
	}
	switch o.path {
	case "/dev/kvm":
		questions, want = append(questions, "ioctl-kvm"), append(want, "12")
	case "/dev/net/tun":
		questions, want = append(questions, "ioctl-tun"), append(want, "ok")
	}
	got := it.Ask(t, c, questions...)
	for i := range got[1:] {
		if got[i+1] != want[i+1] {
			t.Errorf("%s in container %q: %q, want %q", questions[i+1], c.Config.Name, got[i+1], want[i+1])
		}
	}
	look := it.File{Type: "char", Mode: o.mode, UID: o.uid, GID: o.gid}
	if o.ofUser {
		look.UID, look.GID = id, id
	}
	have := it.ParseFile(t, got[0])
	look.Major, look.Minor = have.Major, have.Minor
	if have != look {
		t.Errorf("stat %s in container %q: %+v, want %+v", o.path, c.Config.Name, have, look)
	}
}

// Without being asked for, a device is not there, and what others have does not open.
func TestNoDevice(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	it.StartAgent(t, n, it.GrantApart("fuse"))
	for _, userns := range []bool{false, true} {
		c := it.Run(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns}, node.ContainerConfig{})
		want := []it.QA{{"open /dev/fuse", "ENOENT"}}
		if !userns { // there, a node cannot even be made
			want = append(want, it.QA{"mknod c /fuse 10 229", "ok"}, it.QA{"open /fuse", "EPERM"})
		}
		it.ExpectEach(t, c, want)
	}
}
