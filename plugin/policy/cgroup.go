// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Cgroup is what a node tells about its cgroups.
type Cgroup struct {
	Version CgroupVersion
	// Mount is where the hierarchy is mounted, on the node, of which a part
	// can be handed to a container: cgroup v2's, or the one named systemd that
	// cgroup v1 has without a controller. "" if the node has none.
	Mount string
	// NSDelegate tells whether cgroup v2 is mounted with nsdelegate: then the
	// root of a cgroup namespace is a boundary, also for the node's own root.
	NSDelegate bool
	// ReadOnly tells that the agent cannot write there.
	ReadOnly bool
}

// CgroupVersion is "v1" or "v2".
type CgroupVersion string

// The cgroup versions that a profile may require.
const (
	CgroupV1 CgroupVersion = "v1"
	CgroupV2 CgroupVersion = "v2"
)

// cgroupBelow returns the path of a container's cgroup below the mounts, from
// linux.cgroupsPath of its spec: a path, or "slice:prefix:name" for the systemd
// driver, whose slices say by their names where they lie. The path must name
// the container, so that no other cgroup is given away. See
// https://www.freedesktop.org/software/systemd/man/latest/systemd.slice.html
func cgroupBelow(cgroupsPath, containerID string) (string, error) {
	if cgroupsPath == "" {
		return "", errors.New("the runtime does not tell which it is")
	}
	at := cgroupsPath
	if parts := strings.Split(cgroupsPath, ":"); len(parts) == 3 {
		parent, err := sliceBelow(parts[0])
		if err != nil {
			return "", err
		}
		at = strings.TrimSuffix(parent, "/") + "/" + parts[1] + "-" + parts[2] + ".scope"
	}
	if !path.IsAbs(at) || path.Clean(at) != at {
		return "", fmt.Errorf("%q is not the path of a cgroup", clip(cgroupsPath, maxName))
	}
	if containerID == "" || at == "/" || !strings.Contains(path.Base(at), containerID) {
		return "", fmt.Errorf("%q does not name the container %s", clip(cgroupsPath, maxName), containerID)
	}
	return at, nil
}

// sliceBelow expands a slice's name: a-b.slice lies in a.slice.
func sliceBelow(slice string) (string, error) {
	if slice == "" {
		slice = "system.slice" // as runc has it
	}
	name, ok := strings.CutSuffix(slice, ".slice")
	if ok && name == "-" {
		return "/", nil
	}
	at := "/"
	if !ok || strings.Contains(name, "/") {
		return "", fmt.Errorf("%q is not a slice of systemd", clip(slice, maxName))
	}
	for i, part := 0, ""; i < len(name); i += len(part) + 1 {
		part, _, _ = strings.Cut(name[i:], "-")
		if part == "" {
			return "", fmt.Errorf("%q is not a slice of systemd", clip(slice, maxName))
		}
		at = path.Join(at, name[:i+len(part)]+".slice")
	}
	return at, nil
}
