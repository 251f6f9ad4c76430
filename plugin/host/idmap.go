// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"math"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// maxIDMap is above the size of 340 extents, the kernel's limit, at their
// longest.
const maxIDMap = 64 << 10

// IDMaps returns the id maps of the user namespace that a process of the node
// is in. They are unknown if the process is gone or has not got them yet.
func (h *Host) IDMaps(pid uint32) (uid, gid policy.Known[[]specs.LinuxIDMapping]) {
	dir := "/proc/" + strconv.FormatUint(uint64(pid), 10)
	return h.idMap(dir + "/uid_map"), h.idMap(dir + "/gid_map")
}

// NodeIDMaps returns the id maps of the user namespace that this process, and so
// the node, is in. The kernel lets them be written once.
func (h *Host) NodeIDMaps() (uid, gid policy.Known[[]specs.LinuxIDMapping]) {
	return h.uidMap, h.gidMap
}

// idMapOf reads uid_map or gid_map of a process of the agent's own PID namespace.
func idMapOf(process, name string) (unknown policy.Known[[]specs.LinuxIDMapping]) {
	text, err := os.ReadFile("/proc/" + process + "/" + name)
	if err != nil {
		return unknown
	}
	return parseIDMap(text)
}

func (h *Host) idMap(name string) (unknown policy.Known[[]specs.LinuxIDMapping]) {
	fd, err := h.open(name, unix.O_RDONLY)
	if err != nil {
		return unknown
	}
	text, err := readFrom(os.NewFile(uintptr(fd), name), maxIDMap)
	if err != nil {
		return unknown
	}
	return parseIDMap(text)
}

// parseIDMap reads lines of "first id inside, first id outside, length"; see
// https://man7.org/linux/man-pages/man7/user_namespaces.7.html. The node's ids
// come out as the reader's own user namespace numbers them, so the agent must
// not be in one; an id that is not mapped there reads as 4294967295, which is
// no id. A map that is empty or that the kernel would not write is unknown.
func parseIDMap(text []byte) (unknown policy.Known[[]specs.LinuxIDMapping]) {
	var out []specs.LinuxIDMapping
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			return unknown
		}
		var n [3]uint32
		for i, field := range fields {
			v, err := strconv.ParseUint(string(field), 10, 32)
			if err != nil {
				return unknown
			}
			n[i] = uint32(v)
		}
		inside, outside, size := n[0], n[1], n[2]
		if size == 0 || size > math.MaxUint32-inside || size > math.MaxUint32-outside {
			return unknown
		}
		out = append(out, specs.LinuxIDMapping{ContainerID: inside, HostID: outside, Size: size})
	}
	if len(out) == 0 {
		return unknown
	}
	return policy.Is(out)
}
