// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var tmpfsKind = kind{
	own: func(e *merged, p *Profile) {
		e.tmpfs = map[string]sourced{}
		for _, t := range p.Tmpfs {
			e.tmpfs[absolute(t.Path)] = sourced{value: t.options(), profile: p.Name}
		}
	},
	merge: func(e, other *merged, asked string) *conflict {
		return mergeValues(&e.tmpfs, other.tmpfs, asked, "tmpfs", "the size of tmpfs")
	},
	decide: (*decider).tmpfs,
	outline: func(a *Adjustment, p *Profile) {
		for _, t := range p.Tmpfs {
			a.Mounts = append(a.Mounts, specs.Mount{Destination: t.Path, Type: "tmpfs"})
		}
	},
}

// SharedMemory is where the runtime mounts the pod's shared memory.
const SharedMemory = "/dev/shm"

// tmpfs adds a tmpfs at each path, unless the pod mounts something there. The
// shared memory that the runtime gives to every pod is nothing of the pod's.
func (d *decider) tmpfs() error {
	for _, at := range sortedKeys(d.merged.tmpfs) {
		own := slices.ContainsFunc(d.facts.Container.Mounts, func(m specs.Mount) bool { return absolute(m.Destination) == at })
		if own && (at != SharedMemory || !d.facts.Container.RuntimeShm) {
			d.note(LeftOut, "", fmt.Sprintf("tmpfs %s: the container has a mount of its own there", at))
			continue
		}
		options := append([]string{"nosuid", "nodev", "rw"}, strings.Split(d.merged.tmpfs[at].value, ",")...)
		if at == SharedMemory {
			options = append([]string{"noexec"}, options...)
		}
		d.out.Mounts = append(d.out.Mounts, specs.Mount{Destination: at, Type: "tmpfs", Source: "tmpfs", Options: options})
	}
	return nil
}

// options are those of mount(8) that differ from one tmpfs to the other.
func (t *Tmpfs) options() string {
	out := "mode=0755"
	switch absolute(t.Path) {
	case "/tmp", "/var/tmp", "/run/lock", SharedMemory:
		out = "mode=1777" // where everybody writes
	}
	if t.Size > 0 {
		out += fmt.Sprintf(",size=%d", t.Size)
	}
	return out
}
