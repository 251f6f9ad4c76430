// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/nodegate/nodegate/plugin/policy"
)

var (
	// usbNumber is a number as lsusb prints it, and sysfs.
	usbNumber = regexp.MustCompile(`^[0-9a-f]{4}$`)
	// subsystemName is the name of a directory of /sys/class or /sys/bus.
	subsystemName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
)

// maxSerial is what a USB string descriptor holds at most, in characters.
const maxSerial = 126

// which reads the devices that an entry is about: by path or as USB devices, one or a
// list of which the node has to have one.
func (p *profile) which(t *table) []policy.DeviceSelector {
	switch {
	case t.values["path"] != nil && t.values["usb"] != nil:
		t.bad("usb", "stands beside path: write one of them, or an entry for each")
	case t.values["path"] == nil && t.values["usb"] == nil:
		t.missing("path", `"/dev/…", or usb = { vendor = "…", product = "…" }`)
	}
	return append(p.devicePaths(t), t.usbDevices()...)
}

func (p *profile) devicePaths(t *table) (all []policy.DeviceSelector) {
	var paths []item
	if _, isList := t.values["path"].([]any); isList {
		paths = t.list("path", `"/dev/ttyACM*", "/dev/ttyUSB*"`)
		if len(paths) == 0 {
			t.bad("path", `is an empty list: write one path, or several of which the node has to have one`)
		}
	} else if v, ok := t.str("path", `"/dev/fuse"`); ok {
		paths = []item{{v, t.at("path")}}
	}
	for _, it := range paths {
		if remedy := devicePath(it.value); remedy != "" {
			t.doc.bad(it.path, "is %s: %s", policy.QuotePath(it.value), remedy)
			continue
		}
		p.paths = append(p.paths, it)
		all = append(all, policy.DeviceSelector{Path: it.value})
	}
	return all
}

// usbDevices reads one table or a list of them. subsystem is that of all.
func (t *table) usbDevices() (all []policy.DeviceSelector) {
	subsystem, ok := t.str("subsystem", `"tty"`)
	value, there := t.take("usb")
	switch {
	case !there && ok:
		t.bad("subsystem", "goes with usb, and says which of its nodes are meant: leave it out")
	case there && !ok && t.values["subsystem"] == nil:
		t.missing("subsystem", `"tty" for serial adapters, "usb" for the device itself, or another name in /sys/class: "video4linux", "input", "hidraw", "sound"`)
	case there && ok && !subsystemName.MatchString(subsystem):
		t.bad("subsystem", `is %q: write the name of a directory in /sys/class or /sys/bus, as in "tty"`, subsystem)
	}
	if !there {
		return nil
	}
	entries, isList := value.([]any)
	if !isList {
		entries = []any{value}
	}
	if len(entries) == 0 {
		t.bad("usb", `is an empty list: write usb = { vendor = "10c4", product = "ea60" }`)
	}
	for i, e := range entries {
		at := t.at("usb")
		if isList {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		values, ok := e.(map[string]any)
		if !ok {
			t.doc.bad(at, `is %s, not a table: write usb = { vendor = "10c4", product = "ea60" }`, kind(e))
			continue
		}
		one := &table{doc: t.doc, path: at, values: values}
		usb := policy.USB{Vendor: one.usbNumber("vendor", "10c4"), Product: one.usbNumber("product", "ea60"), Serial: one.usbSerial(), Subsystem: subsystem}
		one.finish()
		all = append(all, policy.DeviceSelector{USB: usb})
	}
	return all
}

// usbNumber takes four hexadecimal digits, in any case.
func (t *table) usbNumber(key, example string) string {
	v, ok := t.str(key, fmt.Sprintf("%q", example))
	v = strings.ToLower(v)
	switch {
	case t.values[key] == nil:
		t.missing(key, fmt.Sprintf("%q, as lsusb prints it", example))
	case ok && !usbNumber.MatchString(v):
		t.bad(key, `is %q: write four hexadecimal digits in quotes, as lsusb prints them: %q`, v, example)
	}
	return v
}

// usbSerial takes what sysfs has, whatever characters a vendor has put into it, but
// for those that it cannot have.
func (t *table) usbSerial() string {
	v, ok := t.str("serial", `"0001"`)
	if !ok {
		return ""
	}
	if v == "" || utf8.RuneCountInString(v) > maxSerial || strings.ContainsAny(v, "\x00\n") {
		t.bad("serial", "is %q: write what /sys/bus/usb/devices/*/serial has for the device, 1 to %d characters in one line; or leave it out", v, maxSerial)
	}
	return v
}

// oneOf looks at what makes no sense for a list of devices.
func (t *table) oneOf(d *policy.DeviceRule) {
	if d.ContainerPath != "" {
		t.bad("container_path", "is one path, and the entry lists several devices: leave it out, or write an entry for each device")
		d.ContainerPath = "" // one message for it is enough
	}
}
