// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
)

// podmanOpenFiles is the limit that podman sets for each container that it runs.
const podmanOpenFiles = 1 << 20

// openFiles is how many files the runtime may raise the limit of its containers to.
func (g *gatherer) openFiles() Fact[uint64] {
	if g.pid == 0 {
		return unknown[uint64]("the runtime's process is not seen from here")
	}
	var limit unix.Rlimit
	if err := unix.Prlimit(g.pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		return unknown[uint64](why(err))
	}
	return fact(limit.Max)
}

// checkOpenFiles says where a profile for container engines meets a limit that podman wants
// above the runtime's. Profiles that set limits are taken to know better.
func checkOpenFiles(f *Facts) []Finding {
	switch limit := f.OpenFiles; {
	case !f.Policy.Changes(change.KindProc) || f.Policy.Changes(change.KindRlimits):
		return nil
	case !limit.OK():
		return cannotTell(limit.Unknown)
	case limit.Value < podmanOpenFiles:
		return one(Warning, fmt.Sprintf("containers get at most %d, and podman wants %d: podman run answers EPERM in them", limit.Value, podmanOpenFiles),
			fmt.Sprintf(`grant a profile with rlimits = { nofile = "%d" } beside it (docs/nested.md)`, podmanOpenFiles))
	default:
		return one(OK, fmt.Sprintf("containers get at most %d", limit.Value), "")
	}
}
