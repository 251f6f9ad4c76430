// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// The inodes of the namespaces that the kernel itself makes, which are the
// node's unless the node is a container:
// https://github.com/torvalds/linux/blob/v6.12/include/linux/proc_ns.h
var firstNamespaces = map[specs.LinuxNamespaceType]uint64{
	specs.IPCNamespace:  0xEFFFFFFF,
	specs.UTSNamespace:  0xEFFFFFFE,
	specs.UserNamespace: 0xEFFFFFFD,
}

// IsNodeNamespace reports whether the namespace that is mounted at a path of the
// node is the node's own. It is unknown where nothing is seen there, as from
// within a pod, and for kinds of namespaces whose first one has no fixed inode.
func (h *Host) IsNodeNamespace(name string, kind specs.LinuxNamespaceType) (unknown policy.Known[bool]) {
	fd, err := h.openNamespace(name)
	if err != nil {
		return unknown
	}
	defer closeFD(fd)
	var st unix.Stat_t
	first, ok := firstNamespaces[kind]
	if err := unix.Fstat(fd, &st); err != nil || !ok {
		return unknown
	}
	return policy.Is(st.Ino == first)
}

// openNamespace opens what must be a namespace.
func (h *Host) openNamespace(name string) (int, error) {
	fd, err := h.open(name, unix.O_RDONLY)
	if err != nil {
		return -1, err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.NSFS_MAGIC {
		closeFD(fd)
		return -1, unix.EINVAL
	}
	return fd, nil
}
