// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"strconv"
	"strings"
)

// DeviceSelector says which device nodes of the node are meant: those at a path, or
// those of USB devices.
type DeviceSelector struct {
	Path string `json:"path,omitempty"` // absolute path or glob under /dev; "" for USB
	USB  USB    `json:"usb,omitzero"`
}

// USB names USB devices by what their descriptors say, and which of their nodes are
// meant.
type USB struct {
	Vendor    string `json:"vendor"`           // four hexadecimal digits in lower case
	Product   string `json:"product"`          // the same
	Serial    string `json:"serial,omitempty"` // "" for any
	Subsystem string `json:"subsystem"`        // the kernel's: "tty", "usb", "video4linux"
}

// String writes a selector for people: a path as it can be copied.
func (s DeviceSelector) String() string {
	if s.USB == (USB{}) {
		return QuotePath(s.Path)
	}
	text := fmt.Sprintf("usb %s:%s", s.USB.Vendor, s.USB.Product)
	if s.USB.Serial != "" {
		text += fmt.Sprintf(" serial %q", s.USB.Serial)
	}
	return text + " (" + s.USB.Subsystem + ")"
}

// QuotePath quotes a path for a message. Backslashes, which udev's names have,
// stay as they are, so that the path can be copied.
func QuotePath(p string) string {
	if strconv.Quote(strings.ReplaceAll(p, `\`, "")) == `"`+strings.ReplaceAll(p, `\`, "")+`"` {
		return `"` + p + `"`
	}
	return strconv.Quote(p)
}
