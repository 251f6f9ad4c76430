// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"

	"github.com/nodegate/nodegate/config"
)

// tmpfs finds those that a mount of the runtime's or the kubelet's is always in the
// way of.
func (l *linter) tmpfs(p *config.Profile, at at) {
	for i, path := range p.Tmpfs {
		if slices.Contains(taken, path) {
			key := fmt.Sprintf("tmpfs[%d]", i)
			l.add("tmpfs_never", at(key), fmt.Sprintf("%s is %q", where(p, key), path), "leave it out")
		}
	}
}
