// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// CgroupVersion returns the cgroup version that containers get on this node.
// As runc does, it takes a node that has both (systemd's hybrid mode) for v1,
// since the controllers are there. See
// https://github.com/opencontainers/cgroups/blob/main/utils.go
func (h *Host) CgroupVersion() (unknown policy.Known[policy.CgroupVersion]) {
	const root = "/sys/fs/cgroup"
	fd, err := h.open(root, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return unknown
	}
	f := os.NewFile(uintptr(fd), root)
	defer closeFile(f)
	switch magic(fd) {
	case unix.CGROUP2_SUPER_MAGIC:
		return policy.Is(policy.CgroupV2)
	case unix.TMPFS_MAGIC:
	default:
		return unknown
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return unknown
	}
	for _, name := range names {
		if h.magicOf(root+"/"+name) == unix.CGROUP_SUPER_MAGIC {
			return policy.Is(policy.CgroupV1)
		}
	}
	return unknown
}

// magicOf returns the type of the file system that a path of the node is on,
// or 0 if it cannot be told.
func (h *Host) magicOf(name string) uint64 {
	fd, err := h.open(name, unix.O_PATH)
	if err != nil {
		return 0
	}
	defer closeFD(fd)
	return magic(fd)
}

func magic(fd int) uint64 {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return 0
	}
	return wide(st.Type)
}
