// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"path"
	"slices"

	"github.com/nodegate/nodegate/plugin/policy"
)

// Assume makes lookups find these devices, in the place of what the node has at
// their paths: an explanation may be about another node. The agent assumes none.
func (h *Host) Assume(devices []policy.HostDevice) { h.assumed = devices }

func (h *Host) withAssumed(pattern string, look policy.DeviceLookup) policy.DeviceLookup {
	for _, d := range h.assumed {
		if named, _ := path.Match(pattern, d.Path); !named && pattern != d.Path && !below(pattern, d.Path) {
			continue
		}
		look.Err, look.Directory = nil, look.Directory || below(pattern, d.Path)
		look.Nodes = slices.DeleteFunc(look.Nodes, func(n policy.HostDevice) bool { return n.Path == d.Path })
		look.Nodes = append(look.Nodes, d)
	}
	return look
}

// assumedSource is found, or a device that is assumed at the path. A directory that
// the node has not is there if an assumed device lies below it.
func (h *Host) assumedSource(p string, found policy.VolumeSource) policy.VolumeSource {
	for _, d := range h.assumed {
		switch {
		case d.Path == p:
			return policy.VolumeSource{Device: policy.Is(d)}
		case below(p, d.Path) && found.Directory == "" && !found.Device.OK:
			found.Directory = p
		}
	}
	return found
}
