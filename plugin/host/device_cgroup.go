// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
)

// agentAlone finds out whether the node may do what this process was denied.
// On cgroup v1 the node's own list can be read. On v2 the filter is a program
// that nobody can read, so it depends on where this process is: with the node's
// files for its own it stands for the node.
func (h *Host) agentAlone(denied []Denied) (unknown policy.Known[bool]) {
	const hierarchy = "/sys/fs/cgroup/devices"
	list, err := h.read(hierarchy + h.firstProcessIn("devices") + "/devices.list")
	if err != nil {
		if h.rootPath == "" {
			return policy.Is(false)
		}
		return unknown
	}
	for _, d := range denied {
		for _, letter := range d.Rule.Access {
			if !allows(list, d, letter) {
				return policy.Is(false)
			}
		}
	}
	return policy.Is(true)
}

// firstProcessIn returns the cgroup of the node's PID 1 in a controller's
// hierarchy, or "" for the topmost that is to be seen. Of a path from within
// another cgroup namespace, "/../../init.scope", the end is right.
func (h *Host) firstProcessIn(controller string) string {
	text, err := h.read("/proc/1/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && fields[1] == controller {
			at := fields[2]
			for strings.HasPrefix(at, "/..") {
				at = at[len("/.."):]
			}
			return strings.TrimSuffix(at, "/")
		}
	}
	return ""
}

// allows reports whether one line of a cgroup's devices.list allows a letter of
// the access to all of a range.
func allows(list string, d Denied, letter rune) bool {
	for line := range strings.Lines(list) {
		fields := strings.Fields(line) // c 10:229 rwm
		if len(fields) != 3 || !strings.ContainsRune(fields[2], letter) {
			continue
		}
		major, minor, _ := strings.Cut(fields[1], ":")
		if (fields[0] == "a" || fields[0] == d.Rule.Type) && covers(major, d.Rule.Major) && covers(minor, d.Rule.Minor) {
			return true
		}
	}
	return false
}

func covers(have string, want *int64) bool {
	return have == "*" || want != nil && have == strconv.FormatInt(*want, 10)
}

// read returns a small file of the node.
func (h *Host) read(name string) (string, error) {
	text, err := h.ReadFile(name, 1<<20)
	return string(text), err
}
