// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// LookupSources says of the sources of bind mounts what they are, as far as
// they lie in the node's /dev itself. A pod's author writes them: one that is
// elsewhere is not looked at, and no link is followed out of /dev.
func (h *Host) LookupSources(paths []string) map[string]policy.VolumeSource {
	out := map[string]policy.VolumeSource{}
	var dev uint64
	for _, p := range paths {
		if p != "/dev" && !below("/dev", p) {
			continue
		}
		if len(out) == 0 {
			var err error
			if dev, err = h.devFileSystem(); err != nil {
				return nil
			}
		}
		out[p] = h.assumedSource(p, h.source(dev, p))
	}
	return out
}

func (h *Host) source(dev uint64, p string) (out policy.VolumeSource) {
	if node, ok, err := h.device(dev, p); ok || err == nil {
		out.Device = policy.Known[policy.HostDevice]{Value: node, OK: ok}
		return out
	}
	fd, err := h.open(p, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return out
	}
	defer closeFD(fd)
	on, err := fileSystem(fd)
	resolved, err2 := h.pathOf(fd)
	if err == nil && err2 == nil && on == dev && (resolved == "/dev" || below("/dev", resolved)) {
		out.Directory = resolved
	}
	return out
}
