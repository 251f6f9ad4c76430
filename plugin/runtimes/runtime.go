// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"fmt"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
)

// Runtime is a container runtime and what its NRI does.
type Runtime struct {
	Name, Version string
	NRI           string // the version
	Features      change.Features
}

// String names the runtime, its version and that of its NRI.
func (r Runtime) String() string {
	return fmt.Sprintf("%s %s (NRI %s)", r.Name, r.Version, r.NRI)
}

// Has reports whether the runtime's NRI has all of some features.
func (r Runtime) Has(all change.Features) bool { return r.Features.Have(all) }

// Unknown is a runtime of which nothing is known.
func Unknown() Runtime { return Runtime{NRI: lowest.NRI, Features: lowest.Features} }

// Parse reads a name and a version: "containerd/2.2.1".
func Parse(s string) (Runtime, error) {
	name, version, _ := strings.Cut(s, "/")
	if _, ok := parse(version); !ok || name == "" {
		return Runtime{}, fmt.Errorf("%q is not a runtime: write a name and a version, such as %s", s, Newest)
	}
	return Of(name, version, ""), nil
}

// Of finds out what a runtime does. reported is the version of NRI that it
// reports, which containerd does from NRI 0.12.2 on; before, its own version
// tells. A containerd that reports one counts as what came with that NRI,
// whatever its version is. Nobody else's report counts: what else a runtime
// does with an adjustment is not known by it.
func Of(name, text, reported string) Runtime {
	row := lookUp(Rows(name), text)
	r := Runtime{Name: name, Version: text, NRI: row.NRI, Features: row.Features}
	if nri, ok := parse(reported); ok && name == Containerd && nri[0] == 0 && nri.compare(version{0, 12, 0}) >= 0 {
		r.NRI = fmt.Sprintf("%d.%d.%d", nri[0], nri[1], nri[2])
		r.Features |= since0_12 | always | cdi | tells
		if nri.compare(version{0, 12, 4}) >= 0 {
			r.Features |= change.FailsClosed
		}
	}
	return r
}

// lookUp finds the row of a version. What is newer than the table does what its
// last row says; a line of releases that the table skips does the least.
func lookUp(rows []Row, text string) Row {
	v, ok := parse(text)
	found := -1
	for i := range rows {
		if ok && rows[i].Since.compare(v) <= 0 {
			found = i
		}
	}
	if found < 0 || found < len(rows)-1 && !rows[found].Since.sameLine(v) {
		return lowest
	}
	return rows[found]
}
