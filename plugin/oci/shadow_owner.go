// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"io/fs"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
)

// ownShadowNodes gives shadow nodes to the user of the process, where the agent
// was not told who that is: before containerd 2.3, only the spec says it.
func ownShadowNodes(spec *value, nodes []change.ShadowNode) error {
	for i := range nodes {
		if nodes[i].Process == (change.Process{}) {
			continue
		}
		uid, gid, err := hostOwner(spec, &nodes[i])
		if err == nil {
			err = chownNode(&nodes[i], uid, gid)
		}
		if err != nil {
			return fmt.Errorf("giving device %q to the container's user: %w", nodes[i].ContainerPath, err)
		}
	}
	return nil
}

// hostOwner returns the host's ids for those of the process.
func hostOwner(spec *value, shadow *change.ShadowNode) (uid, gid uint32, err error) {
	user, err := userOf(spec)
	if err != nil {
		return 0, 0, err
	}
	uid, gid = shadow.UID, shadow.GID
	if shadow.Process.UID {
		if uid, err = hostID(spec, "uidMappings", user.UID); err != nil {
			return 0, 0, err
		}
	}
	if shadow.Process.GID {
		gid, err = hostID(spec, "gidMappings", user.GID)
	}
	return uid, gid, err
}

func hostID(spec *value, name string, id uint32) (uint32, error) {
	var maps []specs.LinuxIDMapping
	if err := spec.read(&maps, "linux", name); err != nil {
		return 0, err
	}
	if within, err := hasUserNamespace(spec); err != nil || !within && len(maps) == 0 {
		return id, err
	}
	for _, m := range maps {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + (id - m.ContainerID), nil
		}
	}
	return 0, fmt.Errorf("%s: linux.%s has no place for %d", spec.path(), name, id)
}

// chownNode changes the owner of the very device that the agent made there,
// and of nothing that a link leads to.
func chownNode(shadow *change.ShadowNode, uid, gid uint32) error {
	fd, err := unix.Open(shadow.Path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: shadow.Path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: shadow.Path, Err: err}
	}
	kind := map[string]uint32{"c": unix.S_IFCHR, "b": unix.S_IFBLK}[shadow.Type]
	rdev := uint64(st.Rdev) //nolint:unconvert // 32 bits wide on mips
	if st.Mode&unix.S_IFMT != kind || rdev != unix.Mkdev(uint32(shadow.Major), uint32(shadow.Minor)) {
		return fmt.Errorf("%q is not the device %s %d:%d", shadow.Path, shadow.Type, shadow.Major, shadow.Minor)
	}
	if err := unix.Fchownat(fd, "", int(uid), int(gid), unix.AT_EMPTY_PATH); err != nil {
		return &fs.PathError{Op: "chown", Path: shadow.Path, Err: err}
	}
	return nil
}
