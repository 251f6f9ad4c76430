// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// A unit's id is the name that lasts longest, whatever it is made of.
func TestUnits(t *testing.T) {
	root := fakeNode(t)
	for i, name := range []string{"ttyUSB0", "ttyUSB1", "ttyUSB2"} {
		mknod(t, root+"/dev/"+name, unix.S_IFCHR|0o660, 188, uint32(i))
	}
	mkdir(t, root+"/dev/serial/by-id")
	mkdir(t, root+"/dev/serial/by-path")
	symlink(t, "../../ttyUSB0", root+"/dev/serial/by-id/usb-odd, name")
	symlink(t, "../../ttyUSB0", root+"/dev/serial/by-path/pci-1")
	symlink(t, "../../ttyUSB1", root+"/dev/serial/by-path/pci-2")
	attribute(t, root+"/sys/class/tty/none", "")
	attribute(t, root+"/sys/devices/pci0/numa_node", "1")
	attribute(t, root+"/sys/devices/pci0/usb1/ttyUSB0/dev", "188:0")
	attribute(t, root+"/sys/devices/pci1/numa_node", "-1")
	attribute(t, root+"/sys/devices/pci1/usb2/ttyUSB1/dev", "188:1")
	mkdir(t, root+"/sys/dev/char")
	symlink(t, "../../devices/pci0/usb1/ttyUSB0", root+"/sys/dev/char/188:0")
	symlink(t, "../../devices/pci1/usb2/ttyUSB1", root+"/sys/dev/char/188:1")
	h := newHost(t, root)
	all := policy.DeviceSelector{Path: "/dev/ttyUSB*"}
	found := h.LookupDevices([]policy.DeviceSelector{all})
	h.NameUnits(found)
	want := []struct {
		unit string
		numa policy.Known[int64]
	}{{"serial/by-id/usb-odd%2C%20name", policy.Is[int64](1)}, {"serial/by-path/pci-2", policy.Known[int64]{}}, {"ttyUSB2", policy.Known[int64]{}}}
	if len(found[all].Nodes) != len(want) {
		t.Fatalf("found %+v", found)
	}
	for i, n := range found[all].Nodes {
		if n.Unit != want[i].unit || h.NUMANode(n) != want[i].numa {
			t.Errorf("%s: unit %q, NUMA node %v; want %v", n.Path, n.Unit, h.NUMANode(n), want[i])
		}
	}
}
