// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// directory finds the devices below a directory that a profile names, as
// "docker run --device /dev/dri" does. Symbolic links are other names of what
// is found anyway, or lead elsewhere, and other file systems hold nothing that
// can be given: both are passed over.
func (h *Host) directory(dev uint64, name, resolved string) policy.DeviceLookup {
	if !below("/dev", resolved) {
		return policy.DeviceLookup{Err: leaves(name, resolved)}
	}
	out := policy.DeviceLookup{Directory: true}
	seen := 0
	for dirs := []string{name}; len(dirs) > 0; dirs = dirs[1:] {
		entries, err := h.names(dev, dirs[0], maxMatches-seen)
		var other *otherFileSystemError
		if errors.As(err, &other) && dirs[0] != name {
			continue
		}
		if err != nil {
			return policy.DeviceLookup{Err: err}
		}
		if seen += len(entries); seen > maxMatches {
			return policy.DeviceLookup{Err: fmt.Errorf("%s has more than %d entries: name the devices that are meant", policy.QuotePath(name), maxMatches)}
		}
		for _, entry := range entries {
			at := dirs[0] + "/" + entry
			switch h.fileType(at) {
			case unix.S_IFDIR:
				dirs = append(dirs, at)
			case unix.S_IFCHR, unix.S_IFBLK:
				node, ok, err := h.device(dev, at)
				if err != nil {
					return policy.DeviceLookup{Err: err}
				}
				if ok {
					out.Nodes = append(out.Nodes, node)
				}
			}
		}
	}
	slices.SortFunc(out.Nodes, func(a, b policy.HostDevice) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// fileType returns what a path itself is, 0 if nothing is there any more.
func (h *Host) fileType(name string) uint32 {
	fd, err := h.open(name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return 0
	}
	defer closeFD(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0
	}
	return st.Mode & unix.S_IFMT
}
