// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"math"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var errNoMap = errors.New("is not known: the pod's id map could not be read")

// mapID returns the host's id for one of the container.
func mapID(m Known[[]specs.LinuxIDMapping], id uint32) (uint32, error) {
	if !m.OK {
		return 0, errNoMap
	}
	for _, x := range m.Value {
		if id >= x.ContainerID && uint64(id) < uint64(x.ContainerID)+uint64(x.Size) {
			host := uint64(x.HostID) + uint64(id-x.ContainerID)
			if host >= math.MaxUint32 {
				break // past the last id: the kernel makes no such map
			}
			return uint32(host), nil
		}
	}
	return 0, fmt.Errorf("%d is not in the pod's id map", id)
}

// RootGroup returns the host's gid of the container's root.
func (f *Facts) RootGroup() (uint32, error) {
	if !f.Request.UserNamespace.Value {
		return 0, nil
	}
	gid, err := mapID(f.Host.GIDMap, 0)
	if err != nil {
		return 0, fmt.Errorf("the gid of its root %w", err)
	}
	return gid, nil
}

// maxID returns the last id of the extent that holds 0: the highest one up to
// which every id exists in the user namespace. The kernel's sysctls are signed
// 32-bit numbers, which bounds it.
func maxID(m Known[[]specs.LinuxIDMapping]) (uint32, error) {
	if !m.OK {
		return 0, errNoMap
	}
	for _, x := range m.Value {
		if x.ContainerID == 0 && x.Size > 0 {
			return min(x.Size-1, math.MaxInt32), nil
		}
	}
	return 0, errors.New("does not exist: 0 is not in the pod's id map")
}
