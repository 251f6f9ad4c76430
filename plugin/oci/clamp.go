// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const pingGroupRange = "net.ipv4.ping_group_range"

// clampPing cuts the range of groups that may ping to the groups that there
// are in a pod sandbox's user namespace. The kernel takes a range only if both
// of its ends are mapped, so that a runtime which always sets the full range
// could start no such pod.
//
// What comes out is never more than what was asked for. A range of which no
// group exists goes away: nobody may ping by the kernel's own default. A range
// that the kernel takes stays, and so does anything that is no range, about
// which the runtime has its own words.
func clampPing(sandbox *value) error {
	sysctls, err := sandbox.lookup("linux", "sysctl")
	if sysctls == nil || err != nil {
		return err
	}
	at, err := findSysctl(sysctls, pingGroupRange)
	if at < 0 || err != nil {
		return err
	}
	if within, err := hasUserNamespace(sandbox); !within || err != nil {
		return err
	}
	var gids []specs.LinuxIDMapping
	if err := sandbox.read(&gids, "linux", "gidMappings"); err != nil {
		return err
	}
	var value string
	if err := sysctls.kids[at].value.decode(&value); err != nil {
		return err
	}
	low, high, ok := parseRange(value)
	end, zero := lastGroup(gids)
	switch {
	case !ok || !zero || isGroup(gids, low) && isGroup(gids, high):
	case low > min(high, end):
		sysctls.remove(at)
	default:
		sysctls.replace(at, encode(fmt.Sprintf("%d %d", low, min(high, end))))
	}
	return nil
}

// parseRange reads two numbers with white space between them.
func parseRange(value string) (low, high uint64, ok bool) {
	fields := strings.Fields(value)
	if len(fields) != 2 {
		return 0, 0, false
	}
	low, errLow := strconv.ParseUint(fields[0], 10, 64)
	high, errHigh := strconv.ParseUint(fields[1], 10, 64)
	return low, high, errLow == nil && errHigh == nil
}

// lastGroup returns the last group of the extent that holds 0.
func lastGroup(gids []specs.LinuxIDMapping) (end uint64, ok bool) {
	for _, m := range gids {
		if m.ContainerID == 0 && m.Size > 0 {
			return min(uint64(m.Size)-1, math.MaxInt32), true
		}
	}
	return 0, false
}

// isGroup reports whether the sysctl takes a number: it is a signed one.
func isGroup(gids []specs.LinuxIDMapping, gid uint64) bool {
	for _, m := range gids {
		if first := uint64(m.ContainerID); gid >= first && gid < first+uint64(m.Size) {
			return gid <= math.MaxInt32
		}
	}
	return false
}
