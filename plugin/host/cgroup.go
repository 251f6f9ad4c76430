// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// cgroupRoot is where runtimes look for cgroups.
const cgroupRoot = "/sys/fs/cgroup"

// Cgroup returns what cgroups containers get on this node. As runc does, it
// takes a node that has both versions (systemd's hybrid mode) for v1, since the
// controllers are there. See
// https://github.com/opencontainers/cgroups/blob/main/utils.go
func (h *Host) Cgroup() (unknown policy.Known[policy.Cgroup]) {
	fd, err := h.open(cgroupRoot, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return unknown
	}
	f := os.NewFile(uintptr(fd), cgroupRoot)
	defer closeFile(f)
	switch magic(fd) {
	case unix.CGROUP2_SUPER_MAGIC:
		readOnly, options := mountOf(fd)
		return policy.Is(policy.Cgroup{Version: policy.CgroupV2, Mount: cgroupRoot,
			NSDelegate: slices.Contains(options, "nsdelegate"), ReadOnly: readOnly})
	case unix.TMPFS_MAGIC:
	default:
		return unknown
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return unknown
	}
	slices.Sort(names)
	return h.cgroupV1(names)
}

// cgroupV1 looks for the hierarchies, and for the one that systemd manages.
func (h *Host) cgroupV1(names []string) (found policy.Known[policy.Cgroup]) {
	for _, name := range names {
		at := cgroupRoot + "/" + name
		fd, err := h.open(at, unix.O_PATH)
		if err != nil {
			continue
		}
		if magic(fd) == unix.CGROUP_SUPER_MAGIC {
			found.OK, found.Value.Version = true, policy.CgroupV1
			readOnly, options := mountOf(fd)
			if found.Value.Mount == "" && slices.Contains(options, "name=systemd") {
				found.Value.Mount, found.Value.ReadOnly = at, readOnly
			}
		}
		closeFD(fd)
	}
	return found
}

// mountOf returns the options of the file system that an open file is on, and
// whether it can only be read by this way to it.
func mountOf(fd int) (readOnly bool, options []string) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err == nil {
		readOnly = wide(st.Flags)&unix.ST_RDONLY != 0
	}
	var stx unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stx); err != nil || stx.Mask&unix.STATX_MNT_ID == 0 {
		return readOnly, nil
	}
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		same := uint64(m.ID) == stx.Mnt_id
		return !same, same
	})
	if err != nil || len(mounts) == 0 {
		return readOnly, nil
	}
	return readOnly, strings.Split(mounts[0].VFSOptions, ",")
}

func magic(fd int) uint64 {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return 0
	}
	return wide(st.Type)
}
