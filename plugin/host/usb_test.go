// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// usbSerial is a serial adapter of a fake node, as the kernel shows one.
type usbSerial struct {
	port, vendor, product, serial string
	name                          string // ttyUSB0
	minor                         uint32
}

// plug puts the adapter into sysfs and /dev, with udev's link.
func (u *usbSerial) plug(t testing.TB, root string) {
	t.Helper()
	device := "/sys/devices/pci0000:00/0000:00:04.0/usb1/" + u.port
	tty := device + "/" + u.port + ":1.0/" + u.name + "/tty/" + u.name
	attribute(t, root+device+"/idVendor", u.vendor)
	attribute(t, root+device+"/idProduct", u.product)
	if u.serial != "" {
		attribute(t, root+device+"/serial", u.serial)
	}
	attribute(t, root+tty+"/dev", fmt.Sprintf("188:%d", u.minor))
	attribute(t, root+tty+"/uevent", fmt.Sprintf("MAJOR=188\nMINOR=%d\nDEVNAME=%s", u.minor, u.name))
	symlink(t, "../.."+tty[len("/sys"):], root+"/sys/class/tty/"+u.name)
	mknod(t, root+"/dev/"+u.name, unix.S_IFCHR|0o660, 188, u.minor)
}

func (u *usbSerial) unplug(t testing.TB, root string) {
	t.Helper()
	must(t, os.Remove(root+"/dev/"+u.name))
	must(t, os.Remove(root+"/sys/class/tty/"+u.name))
	must(t, os.RemoveAll(root+"/sys/devices/pci0000:00/0000:00:04.0/usb1/"+u.port))
}

// attribute writes a file as sysfs has it.
func attribute(t testing.TB, at, text string) {
	t.Helper()
	mkdir(t, filepath.Dir(at))
	must(t, os.WriteFile(at, []byte(text+"\n"), 0o600))
}

func TestLookupUSB(t *testing.T) {
	root := fakeNode(t)
	odd := "a\"b'\\x20;$(id)\t é\xff ../.."
	stick := usbSerial{port: "1-1", vendor: "10c4", product: "ea60", serial: odd, name: "ttyUSB0", minor: 0}
	for _, u := range []usbSerial{
		stick,
		{port: "1-2", vendor: "10c4", product: "ea60", serial: "0002", name: "ttyUSB1", minor: 1},
		{port: "1-3", vendor: "1a86", product: "7523", name: "ttyUSB2", minor: 2},
		{port: "1-4", vendor: "10c4", product: "ea61", serial: odd, name: "ttyUSB3", minor: 3},
	} {
		u.plug(t, root)
	}
	// What is no USB device, has no node, or a node that is another one's.
	attribute(t, root+"/sys/devices/virtual/tty/tty0/dev", "4:0")
	symlink(t, "../../devices/virtual/tty/tty0", root+"/sys/class/tty/tty0")
	for port, name := range map[string]string{"1-5": "ttyUSB5", "1-6": "ttyUSB6", "1-7": "ttyUSB7"} {
		u := usbSerial{port: port, vendor: "dead", product: "beef", name: name, minor: 5}
		u.plug(t, root)
	}
	must(t, os.Remove(root+"/dev/ttyUSB5"))
	must(t, os.Remove(root+"/dev/ttyUSB6"))
	mknod(t, root+"/dev/ttyUSB6", unix.S_IFCHR|0o660, 188, 9)
	must(t, os.Remove(root+"/dev/ttyUSB7"))
	symlink(t, "/etc/shadow", root+"/dev/ttyUSB7")
	evil := usbSerial{port: "1-8", vendor: "dead", product: "beef", name: "ttyUSB8", minor: 8}
	evil.plug(t, root)
	attribute(t, root+"/sys/class/tty/ttyUSB8/uevent", "DEVNAME=../etc/node")
	mknod(t, root+"/etc/node", unix.S_IFCHR|0o666, 188, 8)
	symlink(t, "/usb/no/../../../../etc", root+"/sys/class/tty/ttyUSB9")
	attribute(t, root+"/etc/idVendor", "dead")
	attribute(t, root+"/etc/idProduct", "beef")
	h := newHost(t, root)

	for _, tc := range []struct {
		name string
		usb  policy.USB
		want string
	}{
		{"of one kind", policy.USB{Vendor: "10c4", Product: "ea60", Subsystem: "tty"}, "/dev/ttyUSB0 c 188:0 0660, /dev/ttyUSB1 c 188:1 0660"},
		{"by an odd serial", policy.USB{Vendor: "10c4", Product: "ea60", Serial: odd, Subsystem: "tty"}, "/dev/ttyUSB0 c 188:0 0660"},
		{"a serial is compared whole", policy.USB{Vendor: "10c4", Product: "ea60", Serial: "000", Subsystem: "tty"}, ""},
		{"without a serial", policy.USB{Vendor: "1a86", Product: "7523", Subsystem: "tty"}, "/dev/ttyUSB2 c 188:2 0660"},
		{"a serial that the device has not", policy.USB{Vendor: "1a86", Product: "7523", Serial: "1", Subsystem: "tty"}, ""},
		{"without a node of its own", policy.USB{Vendor: "dead", Product: "beef", Subsystem: "tty"}, ""},
		{"of a subsystem that is not there", policy.USB{Vendor: "10c4", Product: "ea60", Subsystem: "video4linux"}, ""},
	} {
		if got := words(h.LookupDevice(policy.DeviceSelector{USB: tc.usb})); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}

	stick.unplug(t, root)
	stick.port, stick.name, stick.minor = "1-9", "ttyUSB4", 4
	stick.plug(t, root)
	want := "/dev/ttyUSB4 c 188:4 0660"
	if got := words(h.LookupDevice(policy.DeviceSelector{USB: policy.USB{Vendor: "10c4", Product: "ea60", Serial: odd, Subsystem: "tty"}})); got != want {
		t.Errorf("at another port: got %s, want %s", got, want)
	}
}

// The device itself is on a bus, and has no class.
func TestLookupUSBBus(t *testing.T) {
	root := fakeNode(t)
	mkdir(t, root+"/sys/class")
	at := "/sys/devices/pci0000:00/usb1/1-1"
	for name, text := range map[string]string{"idVendor": "10c4", "idProduct": "ea60", "dev": "189:4", "uevent": "DEVNAME=bus/usb/001/005"} {
		attribute(t, root+at+"/"+name, text)
	}
	symlink(t, "../../../devices/pci0000:00/usb1/1-1", root+"/sys/bus/usb/devices/1-1")
	mknod(t, root+"/dev/bus/usb/001/005", unix.S_IFCHR|0o664, 189, 4)
	s := policy.DeviceSelector{USB: policy.USB{Vendor: "10c4", Product: "ea60", Subsystem: "usb"}}
	if got, want := words(newHost(t, root).LookupDevice(s)), "/dev/bus/usb/001/005 c 189:4 0664"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLinks(t *testing.T) {
	root := fakeNode(t)
	populate(t, root)
	symlink(t, "../../ttyUSB1", root+"/dev/serial/by-id/another")
	symlink(t, "../../ttyUSB1", root+"/dev/serial/by-path/pci-0")
	symlink(t, "/etc/outside", root+"/dev/serial/by-id/leaves")
	links := newHost(t, root).Links()
	want := map[string]Links{
		"/dev/ttyUSB0":   {ByID: "/dev/serial/by-id/absolute"},
		"/dev/ttyUSB1":   {ByID: "/dev/serial/by-id/another", ByPath: "/dev/serial/by-path/pci-0"},
		"/dev/ttyUSB10":  {ByID: "/dev/serial/by-id/upwards"},
		"/dev/gpu/card0": {ByPath: "/dev/gpu/by-path/a-card"},
	}
	if fmt.Sprint(links) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", links, want)
	}
	for node, stable := range map[string]string{"/dev/ttyUSB1": "/dev/serial/by-id/another", "/dev/gpu/card0": "/dev/gpu/by-path/a-card", "/dev/fuse": "/dev/fuse"} {
		if got := links[node].Stable(policy.HostDevice{Path: "/dev/x", Resolved: node}); got != stable {
			t.Errorf("%s: %s", node, got)
		}
	}
}
