// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// Links are the names that udev gives to a device beside the kernel's: by what it says
// of itself, and by where it is plugged in. Both may be absent.
type Links struct{ ByID, ByPath string } // paths of the node

// Stable is the name of a device that lasts longest: by-id, else by-path, else the
// kernel's.
func (l Links) Stable(d policy.HostDevice) string {
	switch {
	case l.ByID != "":
		return l.ByID
	case l.ByPath != "":
		return l.ByPath
	}
	return d.Resolved
}

// Links finds udev's links to devices, by the devices' path without links. A link
// counts if it leads to a device of /dev itself; of several for one device the first
// by name does.
func (h *Host) Links() map[string]Links {
	out := map[string]Links{}
	dev, err := h.devFileSystem()
	if err != nil {
		return out
	}
	classes, _ := h.names(dev, "/dev", maxEntries) // without it there are no links
	for _, class := range classes {
		byID, byPath := h.linksIn(dev, "/dev/"+class+"/by-id"), h.linksIn(dev, "/dev/"+class+"/by-path")
		if len(byID)+len(byPath) == 0 || h.fileType("/dev/"+class) != unix.S_IFDIR {
			continue // nothing in most of them, so the kind is asked for last
		}
		for at, target := range byID {
			have := out[target]
			have.ByID = firstName(have.ByID, at)
			out[target] = have
		}
		for at, target := range byPath {
			have := out[target]
			have.ByPath = firstName(have.ByPath, at)
			out[target] = have
		}
	}
	return out
}

// linksIn returns the devices that the links of a directory lead to.
func (h *Host) linksIn(dev uint64, dir string) map[string]string {
	names, err := h.names(dev, dir, maxEntries)
	if err != nil || len(names) > maxEntries {
		return nil // not there, or nothing of udev's
	}
	out := map[string]string{}
	for _, name := range names {
		at := dir + "/" + name
		if node, ok, err := h.device(dev, at); ok && err == nil && h.fileType(at) == unix.S_IFLNK {
			out[at] = node.Resolved
		}
	}
	return out
}

func firstName(a, b string) string {
	if a == "" {
		return b
	}
	return slices.Min([]string{a, b})
}
