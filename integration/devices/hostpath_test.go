// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// hostPathNode is a node whose /dev has a directory of devices, and links to them.
type hostPathNode struct {
	dir, stick string // of devices; a link out of it to one
}

func newHostPathNode(t *testing.T) hostPathNode {
	t.Helper()
	h := hostPathNode{dir: hostDirectory(t, "gpu")}
	for name, minor := range map[string]uint32{"card0": 229, "renderD128": 232} {
		if err := unix.Mknod(filepath.Join(h.dir, name), unix.S_IFCHR|0o600, int(unix.Mkdev(10, minor))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("renderD128", filepath.Join(h.dir, "by-path")); err != nil {
		t.Fatal(err)
	}
	target := hostNode(t, "stick-node", unix.S_IFCHR, 10, 229)
	h.stick = hostFile(t, "stick", func(path string) error { return os.Symlink(filepath.Base(target), path) })
	return h
}

// listing is what the node's directory holds.
func (h hostPathNode) listing(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Name()+" "+info.Mode().String())
	}
	return strings.Join(out, " ")
}

func (h hostPathNode) policy() string {
	const look = `access = "r", mode = "0604", uid = 7, gid = 8`
	return it.GrantApart("file", "stick", "dir", "glob", "link", "missing") + fmt.Sprintf(`
[profiles]
file.devices = [{ path = "%[1]s/card0", %[3]s }]
stick.devices = [{ path = %[2]q, container_path = "/dev/ttyACM0", %[3]s }]
dir.devices = [{ path = %[1]q, %[3]s }]
glob.devices = [{ path = "%[1]s/render*", %[3]s }]
link.devices = [{ path = "%[1]s/by-path", %[3]s }]
missing.devices = [{ path = %[2]q, container_path = "%[1]s/new", %[3]s }]
`, h.dir, h.stick, look)
}

// A device that comes as a hostPath volume is replaced by what the profile gives, and
// one in a directory that does lies over the node's own there. Nothing of that shows on
// the node.
func TestHostPathDevice(t *testing.T) {
	h := newHostPathNode(t)
	n := it.SharedNode(t)
	it.StartAgent(t, n, h.policy())
	before := h.listing(t)
	card, render, link := filepath.Join(h.dir, "card0"), filepath.Join(h.dir, "renderD128"), filepath.Join(h.dir, "by-path")
	volume := func(from, at string) []node.Mount { return []node.Mount{{HostPath: from, ContainerPath: at}} }
	for name, userns := range map[string]bool{"plain": false, "user namespace": true} {
		t.Run(name, func(t *testing.T) {
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns,
				Annotations: it.AskForEach("file", "stick", "dir", "glob", "link", "missing")})
			for _, tc := range []struct {
				profile string
				mounts  []node.Mount
				at      string
				minor   uint32
			}{
				{"file", volume(card, card), card, 229},
				{"file", volume(card, card+"/"), card, 229},
				{"stick", volume(h.stick, "/dev/ttyACM0"), "/dev/ttyACM0", 229},
				{"dir", volume(h.dir, h.dir), render, 232},
				{"glob", volume(h.dir, h.dir), render, 232},
				{"link", volume(h.dir, h.dir), link, 232},
				{"glob", volume("/dev", "/dev"), render, 232},
			} {
				if userns && tc.mounts[0].HostPath == "/dev" {
					continue // the runtime cannot set up a /dev that is the node's there
				}
				c := it.RunContainer(t, p, node.ContainerConfig{Name: tc.profile, Mounts: tc.mounts})
				where := tc.at
				if where == link && !userns { // the volume's own link leads to the device
					where = render
				}
				if f := it.Stat(t, c, where); f != (it.File{Type: "char", Mode: "0604", UID: 7, GID: 8, Major: 10, Minor: tc.minor}) {
					t.Errorf("%s with %s: %+v", tc.profile, tc.mounts[0].ContainerPath, f)
				}
				it.ExpectEach(t, c, []it.QA{{"open " + tc.at + " r", "ok"}, {"open " + tc.at + " w", "EPERM"}})
				if tc.profile == "glob" { // the volume gives nothing by itself
					it.Expect(t, c, "open "+card+" r", map[bool]string{false: "EPERM", true: "ENOENT"}[userns])
				}
				if err := c.Remove(t.Context()); err != nil {
					t.Fatal(err)
				}
				if after := h.listing(t); after != before {
					t.Fatalf("%s: the node's directory is now %s, and was %s", tc.profile, after, before)
				}
			}
			for profile, wrong := range map[string]struct {
				mounts []node.Mount
				want   string
			}{
				"file":    {volume(render, card), "has a volume of its own mounted at " + fmt.Sprintf("%q", card)},
				"stick":   {volume("/dev/zero", "/dev/ttyACM0"), `has a volume of its own mounted at "/dev/ttyACM0"`},
				"missing": {volume(h.dir, h.dir), "in which that is another file or none"},
			} {
				if userns && profile == "missing" {
					continue // the volume makes way
				}
				got := it.Refusal(t, p, node.ContainerConfig{Name: profile, Mounts: wrong.mounts})
				if !strings.Contains(got, wrong.want+": take the volume out, since the profile gives the device") {
					t.Errorf("%s: %s", profile, got)
				}
			}
			shared := []node.Mount{{HostPath: h.dir, ContainerPath: h.dir, Propagation: 2}}
			if userns {
				return
			}
			if got := it.Refusal(t, p, node.ContainerConfig{Name: "glob", Mounts: shared}); !strings.Contains(got, "propagates mounts to the node") {
				t.Error(got)
			}
			if after := h.listing(t); after != before {
				t.Errorf("the node's directory is now %s, and was %s", after, before)
			}
		})
	}
}

// Every release replaces the bind of a device. A directory takes device-cgroup rules by
// NRI, from containerd 2.2 on; where the runtime has none, the refusal says so. Limits
// reach all of them.
func TestHostPathDeviceReleases(t *testing.T) {
	h := newHostPathNode(t)
	card, render := filepath.Join(h.dir, "card0"), filepath.Join(h.dir, "renderD128")
	for _, version := range []string{"2.2.9", "2.0.14", "1.7.35"} {
		t.Run(version, func(t *testing.T) {
			n := it.StartNode(t, node.Options{Containerd: version})
			it.StartAgent(t, n, it.GrantApart("file", "dir", "limit")+fmt.Sprintf(`
[profiles]
file.devices = [{ path = %q, access = "rw", mode = "0604", uid = 7, gid = 8 }]
dir.devices = [{ path = %q, access = "rw", mode = "0604", uid = 7, gid = 8 }]
limit.rlimits = { nofile = "2000" }
`, card, h.dir))
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskForEach("file", "dir", "limit")})
			before := h.listing(t)
			c := it.RunContainer(t, p, node.ContainerConfig{Name: "file", Mounts: []node.Mount{{HostPath: card, ContainerPath: card}}})
			if f := it.Stat(t, c, card); f != (it.File{Type: "char", Mode: "0604", UID: 7, GID: 8, Major: 10, Minor: 229}) {
				t.Errorf("%+v", f)
			}
			it.Expect(t, c, "open "+card+" rw", "ok")
			it.Expect(t, it.RunContainer(t, p, node.ContainerConfig{Name: "limit"}), "limit nofile", "2000:2000")
			directory := node.ContainerConfig{Name: "dir", Mounts: []node.Mount{{HostPath: h.dir, ContainerPath: h.dir}}}
			if version == "2.2.9" {
				it.Expect(t, it.RunContainer(t, p, directory), "open "+render+" rw", "ok")
			} else if got := it.Refusal(t, p, directory); !strings.Contains(got, `would get device-cgroup rules by profile "dir", which containerd `) {
				t.Error(got)
			}
			if after := h.listing(t); after != before {
				t.Errorf("the node's directory is now %s, and was %s", after, before)
			}
		})
	}
}
