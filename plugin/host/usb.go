// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
)

// lookupUSB finds the nodes of USB devices through sysfs. One whose node is not in
// /dev yet, or is another device's by now, is not found.
func (h *Host) lookupUSB(dev uint64, want policy.USB) (out policy.DeviceLookup) {
	dir := "/sys/class/" + want.Subsystem
	links, err := h.sysLinks(dir)
	if absent(err) { // a bus, such as usb itself, or nothing that this kernel has now
		dir = "/sys/bus/" + want.Subsystem + "/devices"
		links, err = h.sysLinks(dir)
	}
	switch {
	case absent(err):
		if _, err := h.sysLinks("/sys/class"); err == nil {
			return out
		}
		return policy.DeviceLookup{Err: fmt.Errorf("USB devices are found in sysfs, which the agent does not see at /sys of host_root or its own: %w", err)}
	case err != nil:
		return policy.DeviceLookup{Err: fmt.Errorf("looking for USB devices: %w", err)}
	}
	for _, link := range links {
		at := h.usbDevice(dir, link, want)
		if at == "" {
			continue
		}
		if node, ok := h.nodeOf(dev, at); ok {
			out.Nodes = append(out.Nodes, node)
		}
	}
	slices.SortFunc(out.Nodes, func(a, b policy.HostDevice) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// usbDevice returns the directory of a device in sysfs, "" if it is not one of the USB
// devices that are wanted. Each lies below the directory of its USB device, which has
// the descriptors. Most devices of a class are no USB devices, which their link tells.
func (h *Host) usbDevice(dir, link string, want policy.USB) string {
	if !strings.Contains(link, "/usb") {
		return ""
	}
	at := path.Join(dir, link)
	for usb := at; below("/sys/devices", usb); usb = path.Dir(usb) {
		vendor := h.sysAttribute(usb + "/idVendor")
		switch {
		case vendor == "":
			continue
		case vendor != want.Vendor || h.sysAttribute(usb+"/idProduct") != want.Product:
			return ""
		case want.Serial != "" && h.sysAttribute(usb+"/serial") != want.Serial:
			return ""
		}
		return at
	}
	return ""
}

// nodeOf finds the node in /dev of a device in sysfs. Of the two, the numbers decide:
// a name may be another device's already.
func (h *Host) nodeOf(dev uint64, at string) (policy.HostDevice, bool) {
	number := h.sysAttribute(at + "/dev")
	if number == "" {
		return policy.HostDevice{}, false // it has no node
	}
	for line := range strings.Lines(h.sysAttribute(at + "/uevent")) {
		name, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "DEVNAME=")
		if !ok || path.Join("/dev", name) != "/dev/"+name {
			continue
		}
		node, ok, err := h.device(dev, "/dev/"+name)
		if ok && err == nil && number == fmt.Sprintf("%d:%d", node.Major, node.Minor) {
			return node, true
		}
	}
	return policy.HostDevice{}, false
}
