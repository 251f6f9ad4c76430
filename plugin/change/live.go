// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// LiveDirectory is a directory of the node in which the agent keeps a node for each
// device that matches now. A mount of the same Adjustment binds it read-only, and
// rules of it cover all devices of a major number: so nodes of others must be out of
// the container's reach.
type LiveDirectory struct {
	Path          string        `json:"path"` // on the host
	ContainerPath string        `json:"containerPath"`
	Devices       []LiveDevices `json:"devices"`
}

// LiveDevices are the devices of one selector, which are character devices.
type LiveDevices struct {
	Select DeviceSelector `json:"select"`
	Majors []int64        `json:"majors"`         // that the container may open
	Mode   *fs.FileMode   `json:"mode,omitempty"` // nil for the host's
	UID    uint32         `json:"uid"`            // on the host
	GID    uint32         `json:"gid"`
}

// KindLive is live directories. The agent keeps them; the wrapper sees to it that
// nothing else in the container's reach opens a device: its root and its volumes are
// mounted nodev.
var KindLive = &Kind{
	Key: "live", Field: "root", Wrapper: true,
	Uses: []Use{{"`live`", 0}},
	in:   func(a *Adjustment) bool { return len(a.LiveDirectories) > 0 },
	copy: func(to, from *Adjustment) { to.LiveDirectories = from.LiveDirectories },
	list: func(a *Adjustment) (out []Change) {
		for i := range a.LiveDirectories {
			l := &a.LiveDirectories[i]
			only := Adjustment{LiveDirectories: []LiveDirectory{*l}}
			out = append(out, Change{Only: only, Field: NodeField, Text: fmt.Sprintf("+ %s live: %s", l.Path, strings.Join(l.names(), ", "))})
			if at := slices.IndexFunc(a.Mounts, l.bound); at >= 0 {
				out = append(out, Change{Only: Adjustment{Mounts: []specs.Mount{a.Mounts[at]}}, Field: KindMounts.Field,
					Text: fmt.Sprintf("+ %s bound to %s, read-only", l.ContainerPath, l.Path)})
			}
			out = append(out, Change{Only: only, Text: "= no device opens on the root and the volumes, for " + l.ContainerPath})
		}
		return out
	},
	name: func(a *Adjustment) (out []string) {
		for _, l := range a.LiveDirectories {
			out = append(out, "the live directory "+l.ContainerPath)
		}
		return out
	},
	brief: func(a *Adjustment) (out []string) {
		for _, l := range a.LiveDirectories {
			out = append(out, fmt.Sprintf("live directory %s", l.ContainerPath))
		}
		return out
	},
	gives: func(a *Adjustment) bool { return len(a.LiveDirectories) > 0 },
}

// names says which devices belong in the directory.
func (l *LiveDirectory) names() (out []string) {
	for _, d := range l.Devices {
		out = append(out, d.Select.String())
	}
	return out
}

// bound reports whether a mount binds the directory.
func (l *LiveDirectory) bound(m specs.Mount) bool { return m.Source == l.Path }
