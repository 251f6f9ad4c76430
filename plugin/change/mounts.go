// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// KindMounts is new mounts, those of shadow nodes among them.
var KindMounts = &Kind{
	Key: "tmpfs", Field: "mounts", Wrapper: true,
	Uses: []Use{{"`tmpfs`", DeliversBasics}},
	in:   func(a *Adjustment) bool { return len(a.Mounts) > 0 },
	copy: func(to, from *Adjustment) { to.Mounts = from.Mounts },
	list: func(a *Adjustment) (out []Change) {
		for _, m := range a.otherMounts() {
			out = append(out, Change{Only: Adjustment{Mounts: []specs.Mount{m}},
				Text: fmt.Sprintf("+ %s at %s (%s)", m.Type, m.Destination, strings.Join(m.Options, ","))})
		}
		return out
	},
	name: func(a *Adjustment) (out []string) {
		for _, m := range a.Mounts {
			out = append(out, "the mount at "+m.Destination)
		}
		return out
	},
	brief: func(a *Adjustment) (out []string) {
		for _, m := range a.otherMounts() {
			if m.Type != "bind" {
				out = append(out, fmt.Sprintf("mount %s (%s)", m.Destination, m.Type))
			}
		}
		return out
	},
}

// otherMounts are those that bind no shadow node and no live directory.
func (a *Adjustment) otherMounts() []specs.Mount {
	return slices.DeleteFunc(slices.Clone(a.Mounts), func(m specs.Mount) bool {
		return slices.ContainsFunc(a.ShadowNodes, func(n ShadowNode) bool { return n.bound(m) }) ||
			slices.ContainsFunc(a.LiveDirectories, func(l LiveDirectory) bool { return l.bound(m) })
	})
}
