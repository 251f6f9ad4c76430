// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/node"
)

// hostFile makes a name in the node's /dev that is this test's own, and takes it away
// again. Its prefix is unique, for globs.
func hostFile(t *testing.T, suffix string, create func(path string) error) (path string) {
	t.Helper()
	path = fmt.Sprintf("/dev/nodegate-test-%d-%s", os.Getpid(), suffix)
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
	if err := create(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// hostNode makes a device node; its numbers are those of /dev/fuse (10:229) and the like.
func hostNode(t *testing.T, suffix string, kind, major, minor uint32) string {
	t.Helper()
	return hostFile(t, suffix, func(path string) error {
		return unix.Mknod(path, kind|0o600, int(unix.Mkdev(major, minor)))
	})
}

// hostDirectory makes a directory in the node's /dev.
func hostDirectory(t *testing.T, suffix string) string {
	t.Helper()
	path := fmt.Sprintf("/dev/nodegate-test-%d-%s", os.Getpid(), suffix)
	t.Cleanup(func() {
		if err := os.RemoveAll(path); err != nil {
			t.Error(err)
		}
	})
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// What a profile's path may be: a glob that matches several, another path in the
// container, something optional that the node lacks; and what is refused.
func TestDevicePaths(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	a := hostNode(t, "glob-a", unix.S_IFCHR, 10, 229)
	b := hostNode(t, "glob-b", unix.S_IFBLK, 7, 0)
	glob := strings.TrimSuffix(a, "a") + "*"
	it.StartAgent(t, n, it.GrantApart("several", "moved", "several-moved", "optional", "missing", "no-match", "both")+fmt.Sprintf(`
[profiles.several]
devices = [{ path = %[1]q, access = "rw", mode = "0666" }]
[profiles.moved]
devices = [{ path = %[2]q, container_path = "/dev/deeper/still/fuse", access = "rw", mode = "0666" }]
[profiles.several-moved]
devices = [{ path = %[1]q, container_path = "/dev/one", access = "rw" }]
[profiles.optional]
devices = [
  { path = "/dev/nodegate-test-none", access = "rw", optional = true },
  { path = "/dev/nodegate-test-none-*", access = "rw", optional = true },
]
[profiles.missing]
devices = [{ path = "/dev/nodegate-test-none", access = "rw" }]
[profiles.no-match]
devices = [{ path = "/dev/nodegate-test-none-*", access = "rw" }]
[profiles.both]
include = ["moved", "optional"]
`, glob, a))
	for name, userns := range map[string]bool{"plain": false, "user namespace": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskForEach(
				"several", "moved", "several-moved", "optional", "missing", "no-match", "both")})

			c := it.RunContainer(t, p, node.ContainerConfig{Name: "several"})
			if f := it.Stat(t, c, b); f != (it.File{Type: "block", Mode: "0666", Major: 7}) {
				t.Errorf("the glob's second match: %+v", f)
			}
			it.ExpectEach(t, c, []it.QA{{"open " + a + " rw", "ok"}, {"open " + b + " r", "ok"}})

			for _, name := range []string{"moved", "both"} {
				c = it.RunContainer(t, p, node.ContainerConfig{Name: name, RunAsUser: new(int64(1000))})
				it.ExpectEach(t, c, []it.QA{{"open /dev/deeper/still/fuse rw", "ok"}, {"open " + a, "ENOENT"}})
			}
			c = it.RunContainer(t, p, node.ContainerConfig{Name: "optional"})
			it.Expect(t, c, "stat /dev/nodegate-test-none", "ENOENT")

			pod := "ci/" + p.Config.Name
			for name, want := range map[string]string{
				"missing":  `would get profile "missing", but this node has no device "/dev/nodegate-test-none"`,
				"no-match": `would get profile "no-match", but this node has no device "/dev/nodegate-test-none-*"`,
				"several-moved": fmt.Sprintf(`would get profile "several-moved", but %q matches 2 devices of this node, which cannot all be "/dev/one"`,
					glob),
			} {
				want = fmt.Sprintf("container %q of pod %s %s", name, pod, want)
				if got := it.Refusal(t, p, node.ContainerConfig{Name: name}); got != want {
					t.Errorf("%s:\n got %s\nwant %s", name, got, want)
				}
			}
		})
	}
}

// A device that goes away and comes back is judged anew for each container.
func TestDeviceVanishes(t *testing.T) {
	n := it.SharedNode(t)
	path := hostNode(t, "vanishing", unix.S_IFCHR, 10, 229)
	it.StartAgent(t, n, it.GrantApart("vanishing")+fmt.Sprintf(`
[profiles.vanishing]
devices = [{ path = %q, access = "rw", mode = "0666" }]
`, path))
	p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true, Annotations: it.AskFor("vanishing")})
	c := it.RunContainer(t, p, node.ContainerConfig{Name: "before"})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := it.Refusal(t, p, node.ContainerConfig{Name: "meanwhile"}); !strings.HasSuffix(got, fmt.Sprintf("this node has no device %q", path)) {
		t.Error(got)
	}
	it.Expect(t, c, "open "+path+" rw", "ok") // what runs keeps its own
	hostNode(t, "vanishing", unix.S_IFCHR, 10, 229)
	it.Expect(t, it.RunContainer(t, p, node.ContainerConfig{Name: "after"}), "open "+path+" rw", "ok")
}

// A directory gives the devices below it, a glob passes over what is none, and a path
// finds its device as udev names it.
func TestDeviceDirectories(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	dir := hostDirectory(t, "dir")
	for name, minor := range map[string]uint32{"card0": 229, "by-path/deep": 232, `Basic\x20data`: 229} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mknod(filepath.Join(dir, name), unix.S_IFCHR|0o666, int(unix.Mkdev(10, minor))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	it.StartAgent(t, n, it.GrantApart("directory", "glob", "udev", "empty")+fmt.Sprintf(`
[profiles]
directory.devices = [{ path = '%[1]s', access = "rw" }]
glob.devices = [{ path = '%[1]s/*', access = "rw" }]
udev.devices = [{ path = '%[1]s/Basic\x20data', access = "rw" }]
empty.devices = [{ path = '%[1]s/empty', access = "rw" }]
`, dir))
	for name, userns := range map[string]bool{"plain": false, "user namespace": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskForEach("directory", "glob", "udev", "empty")})
			for name, deep := range map[string]string{"directory": "ok", "glob": "ENOENT"} {
				c := it.RunContainer(t, p, node.ContainerConfig{Name: name})
				it.ExpectEach(t, c, []it.QA{{"open " + dir + "/card0 rw", "ok"}, {"open " + dir + `/Basic\x20data rw`, "ok"}})
				if got := it.Ask(t, c, "stat "+dir+"/by-path/deep")[0]; (got == "ENOENT") != (deep == "ENOENT") {
					t.Errorf("%s: below a directory: %s, want %s", name, got, deep)
				}
			}
			c := it.RunContainer(t, p, node.ContainerConfig{Name: "udev"})
			it.ExpectEach(t, c, []it.QA{{"open " + dir + `/Basic\x20data rw`, "ok"}, {"open " + dir + "/card0", "ENOENT"}})
			want := fmt.Sprintf("would get profile \"empty\", but the directory \"%s/empty\" of this node holds no device", dir)
			if got := it.Refusal(t, p, node.ContainerConfig{Name: "empty"}); !strings.HasSuffix(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// A pod that may write to the node's /dev puts another device in the place of a granted
// one. The next container is refused, since the profile says which device it is.
func TestAttackReplacedDevice(t *testing.T) {
	n := it.SharedNode(t)
	path := hostNode(t, "replaced", unix.S_IFCHR, 10, 229)
	it.StartAgent(t, n, it.GrantApart("checked")+fmt.Sprintf(`
[profiles]
checked.devices = [{ path = %q, access = "rw", type = "c", major = 10, minor = 229 }]
`, path))
	p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskFor("checked")})
	it.Expect(t, it.RunContainer(t, p, node.ContainerConfig{Name: "before"}), "open "+path+" rw", "ok")
	evil := it.RunContainer(t, it.RunPod(t, n, node.PodConfig{Name: "evil", Namespace: "other"}), node.ContainerConfig{
		Mounts: []node.Mount{{HostPath: "/dev", ContainerPath: "/host"}}})
	at := "/host/" + filepath.Base(path)
	it.ExpectEach(t, evil, []it.QA{{"unlink " + at, "ok"}, {"mknod c " + at + " 10 232", "ok"}})
	want := fmt.Sprintf("%q is c 10:232 on this node, and the profile says c 10:229: somebody may have put another device in its place", path)
	if got := it.Refusal(t, p, node.ContainerConfig{Name: "after"}); !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}
