// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var tmpfsKind = kind{
	own: func(e *effects, p *Profile) { e.tmpfs = p.Tmpfs },
	merge: func(e, other *effects, _ string) *conflict {
		e.tmpfs = union(e.tmpfs, other.tmpfs, same)
		return nil
	},
	decide: (*decider).tmpfs,
	outline: func(a *Adjustment, p *Profile) {
		for _, at := range p.Tmpfs {
			a.Mounts = append(a.Mounts, specs.Mount{Destination: at, Type: "tmpfs"})
		}
	},
}

// tmpfs adds a tmpfs at each path, unless the pod mounts something there.
func (d *decider) tmpfs() error {
	for _, at := range d.effects.tmpfs {
		at = absolute(at)
		if slices.ContainsFunc(d.facts.Container.Mounts, func(m specs.Mount) bool { return absolute(m.Destination) == at }) {
			d.note(LeftOut, "", fmt.Sprintf("tmpfs %s: the container has a mount of its own there", at))
			continue
		}
		mode := "mode=0755"
		if at == "/tmp" || at == "/var/tmp" || at == "/run/lock" {
			mode = "mode=1777" // where everybody writes
		}
		d.out.Mounts = append(d.out.Mounts, specs.Mount{Destination: at, Type: "tmpfs", Source: "tmpfs",
			Options: []string{"nosuid", "nodev", "rw", mode}})
	}
	return nil
}
