// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// ShadowNode is a node that must exist on the host, with this owner, before
// the container is created. Mounts of the same Adjustment bind it.
type ShadowNode struct {
	Path          string      `json:"path"` // on the host
	Type          string      `json:"type"` // "c" or "b"
	Major         int64       `json:"major"`
	Minor         int64       `json:"minor"`
	Mode          fs.FileMode `json:"mode"` // permission bits
	UID           uint32      `json:"uid"`  // on the host
	GID           uint32      `json:"gid"`
	ContainerPath string      `json:"containerPath"`
	// Replaces says that the pod has a device of its own at ContainerPath,
	// which has to leave its spec: the runtime would put it over the mount.
	Replaces bool `json:"replaces,omitempty"`
	// Process names ids that the wrapper has to change.
	Process Process `json:"process,omitzero"`
}

// NeedsWrapper reports whether the node takes a change of the spec that no NRI
// makes.
func (n *ShadowNode) NeedsWrapper() bool { return n.Replaces || n.Process != (Process{}) }

// KindShadowNodes is nodes on the host. The agent makes them. The wrapper
// delivers those that NeedsWrapper is about.
var KindShadowNodes = &Kind{
	Key: "devices", Field: NodeField, Agent: true, Wrapper: true,
	Uses: []Use{{}},
	in:   func(a *Adjustment) bool { return len(a.ShadowNodes) > 0 },
	copy: func(to, from *Adjustment) { to.ShadowNodes = from.ShadowNodes },
	// Each is listed together with the mount that binds it.
	list: func(a *Adjustment) (out []Change) {
		for i := range a.ShadowNodes {
			n := &a.ShadowNodes[i]
			only := Adjustment{ShadowNodes: []ShadowNode{*n}}
			out = append(out, Change{Only: only, Text: fmt.Sprintf("+ %s %s %d:%d mode %04o owner %s", n.Path,
				n.Type, n.Major, n.Minor, n.Mode.Perm(), ownerText(n.UID, n.GID, n.Process))})
			if at := slices.IndexFunc(a.Mounts, n.bound); at >= 0 {
				out = append(out, Change{Only: Adjustment{Mounts: []specs.Mount{a.Mounts[at]}}, Field: KindMounts.Field,
					Text: fmt.Sprintf("+ %s bound to %s", n.ContainerPath, n.Path)})
			}
			if n.Replaces {
				out = append(out, Change{Only: only, Field: KindDevices.Field,
					Text: fmt.Sprintf("- %s, in whose place the other is bound", n.ContainerPath)})
			}
		}
		return out
	},
	name: func(a *Adjustment) (out []string) {
		for _, n := range a.ShadowNodes {
			out = append(out, fmt.Sprintf("a usable %s in place of its own", n.ContainerPath))
		}
		return out
	},
	brief: func(a *Adjustment) (out []string) {
		for _, n := range a.ShadowNodes {
			out = append(out, fmt.Sprintf("device %s (shadow node)", n.ContainerPath))
		}
		return out
	},
	gives: func(a *Adjustment) bool { return len(a.ShadowNodes) > 0 },
}

// bound reports whether a mount binds the node.
func (n *ShadowNode) bound(m specs.Mount) bool { return m.Source == n.Path }
