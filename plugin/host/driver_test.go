// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

func TestDriver(t *testing.T) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	modules := "lib/modules/" + unix.ByteSliceToString(name.Release[:]) + "/modules.devname"
	files := map[string]string{
		"proc/misc":    "229 fuse\n 58 rfkill\n",
		"proc/devices": "Character devices:\n  1 mem\n188 ttyUSB\n\nBlock devices:\n  8 sd\n253 device-mapper\n",
		modules:        "# Device nodes to trigger on-demand module loading.\ntun net/tun c10:200\nloop loop-control c10:237\n",
	}
	for _, c := range []struct {
		what   string
		device policy.HostDevice
		less   string // a file that is not there
		want   policy.Known[Driver]
	}{
		{"of the shared major", policy.HostDevice{Type: "c", Major: 10, Minor: 229}, "", policy.Is(Driver{Loaded: true})},
		{"of the shared major, not loaded", policy.HostDevice{Type: "c", Major: 10, Minor: 200}, "", policy.Is(Driver{Module: "tun"})},
		{"of the shared major, and no module", policy.HostDevice{Type: "c", Major: 10, Minor: 232}, "", policy.Is(Driver{})},
		{"a minor that is a prefix of another", policy.HostDevice{Type: "c", Major: 10, Minor: 22}, "", policy.Is(Driver{})},
		{"of its own major", policy.HostDevice{Type: "c", Major: 188, Minor: 3}, "", policy.Is(Driver{Loaded: true})},
		{"of a major that nobody has", policy.HostDevice{Type: "c", Major: 189, Minor: 3}, "", policy.Is(Driver{})},
		{"a block device", policy.HostDevice{Type: "b", Major: 253}, "", policy.Is(Driver{Loaded: true})},
		{"a block device of a character device's major", policy.HostDevice{Type: "b", Major: 188}, "", policy.Is(Driver{})},
		{"a character device of a block device's major", policy.HostDevice{Type: "c", Major: 8}, "", policy.Is(Driver{})},
		{"a kernel without modules", policy.HostDevice{Type: "c", Major: 10, Minor: 200}, modules, policy.Is(Driver{})},
		{"no list", policy.HostDevice{Type: "c", Major: 10, Minor: 229}, "proc/misc", policy.Known[Driver]{}},
	} {
		root := t.TempDir()
		for path, text := range files {
			if path == c.less {
				continue
			}
			if err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		h, err := New(root, "/dev/shadows")
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Driver(c.device); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
		closeFD(h.root)
	}
}
