// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

// tmpfs finds those that a mount of the runtime's or the kubelet's is always in the
// way of. Shared memory is not among them: a tmpfs there takes its place.
func (l *linter) tmpfs(p *config.Profile, at at) {
	for i, t := range p.Tmpfs {
		if t.Path != policy.SharedMemory && slices.Contains(taken, t.Path) {
			key := fmt.Sprintf("tmpfs[%d]", i)
			l.add("tmpfs_never", at(key), fmt.Sprintf("%s is %q", where(p, key), t.Path), "leave it out")
		}
	}
}
