// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"path"
	"strconv"

	"github.com/nodegate/nodegate/plugin/policy"
)

// NameUnits fills in the ids of devices as units of a resource: a name that stays when
// the device is plugged in again, where there is one.
func (h *Host) NameUnits(found map[policy.DeviceSelector]policy.DeviceLookup) {
	links := h.Links()
	for _, look := range found {
		for i := range look.Nodes {
			n := &look.Nodes[i]
			n.Unit = policy.UnitID(links[n.Resolved].Stable(*n))
		}
	}
}

// NUMANode returns the NUMA node that a device is at. Most devices are at none.
func (h *Host) NUMANode(d policy.HostDevice) (unknown policy.Known[int64]) {
	dir := fmt.Sprintf("/sys/dev/%s/", map[string]string{"c": "char", "b": "block"}[d.Type])
	link, err := h.sysLink(fmt.Sprintf("%s%d:%d", dir, d.Major, d.Minor))
	if err != nil {
		return unknown
	}
	for at := path.Join(dir, link); below("/sys/devices", at); at = path.Dir(at) {
		if n, err := strconv.ParseInt(h.sysAttribute(at+"/numa_node"), 10, 64); err == nil && n >= 0 {
			return policy.Is(n)
		}
	}
	return unknown
}
