// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/node"
)

// A volume of the pod's own at a device's path, or at a directory above it, would be
// written to or hide what was granted: the container is refused.
func TestVolumeAtDevice(t *testing.T) {
	it.NeedDevices(t, "/dev/net/tun")
	n := it.SharedNode(t)
	it.StartAgent(t, n, it.GrantApart("tun"))
	for _, userns := range []bool{false, true} {
		p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskFor("tun")})
		for _, at := range []string{"/dev/net/tun", "/dev/net", "/dev/net/../net/"} {
			volume := filepath.Join(t.TempDir(), "volume")
			if err := unix.Mkdir(volume, 0o755); err != nil {
				t.Fatal(err)
			}
			got := it.Refusal(t, p, node.ContainerConfig{Name: "volume", Mounts: []node.Mount{{HostPath: volume, ContainerPath: at}}})
			want := fmt.Sprintf(`container "volume" of pod ci/%s would get device "/dev/net/tun" of profile "tun", but has a volume of its own mounted at %q: take the volume out, since the profile gives the device`,
				p.Config.Name, filepath.Clean(at))
			if got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		}
		beside := node.Mount{HostPath: t.TempDir(), ContainerPath: "/dev/network"}
		c := it.RunContainer(t, p, node.ContainerConfig{Name: "beside", Mounts: []node.Mount{beside}})
		it.Expect(t, c, "ioctl-tun", "ok")
	}
}

// A device that the pod has already, as from a device plugin. In a plain pod it becomes
// what the profile says; under a user namespace it would hide the shadow node.
func TestDeviceOfPod(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	it.StartAgent(t, n, it.GrantApart("reader")+`
[profiles.reader]
devices = [{ path = "/dev/fuse", access = "r", mode = "0604", uid = 7, gid = 8 }]
`)
	given := []node.Device{{HostPath: "/dev/fuse", ContainerPath: "/dev/fuse", Permissions: "rwm"}}
	other := []node.Device{{HostPath: "/dev/zero", ContainerPath: "/dev/fuse", Permissions: "rwm"}}

	asks := map[string]string{}
	for _, name := range []string{"reader", "reader-root", "other"} {
		asks["profiles.nodegate.dev/container."+name] = "reader"
	}
	plain := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: asks})
	c := it.RunContainer(t, plain, node.ContainerConfig{Name: "reader", RunAsUser: new(int64(1000)), Devices: given})
	it.ExpectEach(t, c, []it.QA{{"open /dev/fuse r", "ok"}, {"open /dev/fuse w", "EACCES"}})
	if f := it.Stat(t, c, "/dev/fuse"); f != (it.File{Type: "char", Mode: "0604", UID: 7, GID: 8, Major: 10, Minor: 229}) {
		t.Errorf("the pod's own device under a profile: %+v", f)
	}
	c = it.RunContainer(t, plain, node.ContainerConfig{Name: "reader-root", Devices: given})
	it.ExpectEach(t, c, []it.QA{{"open /dev/fuse r", "ok"}, {"open /dev/fuse w", "EPERM"}})
	same := 0
	for _, d := range it.SpecOf(t, c).Linux.Devices {
		if d.Path == "/dev/fuse" {
			same++
		}
	}
	if same != 1 {
		t.Errorf("%d devices at /dev/fuse in the spec, want 1", same)
	}
	// Without the profile it stays as the device plugin gave it.
	c = it.RunContainer(t, plain, node.ContainerConfig{Name: "unasked", Devices: given})
	it.Expect(t, c, "open /dev/fuse rw", "ok")

	userns := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true, Annotations: asks})
	got := it.Refusal(t, userns, node.ContainerConfig{Name: "reader", Devices: given})
	want := fmt.Sprintf(`container "reader" of pod ci/%s would get device "/dev/fuse" of profile "reader", but has a device there already, from a device plugin`, userns.Config.Name)
	if !strings.HasPrefix(got, want) {
		t.Errorf("got %s\nwant %s…", got, want)
	}
	for _, p := range []*node.Pod{plain, userns} {
		got := it.Refusal(t, p, node.ContainerConfig{Name: "other", Devices: other})
		if want := `would get device "/dev/fuse" of profile "reader", but has another device of its own at that path: give that another path`; !strings.HasSuffix(got, want) {
			t.Errorf("got %s\nwant … %s", got, want)
		}
	}
}
