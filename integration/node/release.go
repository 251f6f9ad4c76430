// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"strconv"
	"strings"
)

// DefaultContainerd is the version of a node that names none; `make runtimes` builds it
// first.
const DefaultContainerd = "2.4.2"

// Containerds are the versions that hack/pins builds, from the newest: one for each NRI
// that releases in use speak, and 1.7.
func Containerds() []string { return []string{DefaultContainerd, "2.3.7", "2.2.9", "2.0.14", "1.7.35"} }

// release is containerd's version as far as its configuration depends on it.
type release struct{ major, minor int }

func parseRelease(version string) (release, error) {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	m, err1 := strconv.Atoi(major)
	n, err2 := strconv.Atoi(minor)
	r := release{m, n}
	if err1 != nil || err2 != nil || r.major > 2 || r.before(1, 7) {
		return r, fmt.Errorf("containerd %q: no configuration is known for this version (1.7 to 2.x are)", version)
	}
	return r, nil
}

func (r release) before(major, minor int) bool {
	return r.major < major || r.major == major && r.minor < minor
}

// configVersion is the newest configuration format that the release reads.
func (r release) configVersion() int {
	switch {
	case r.before(2, 0):
		return 2
	case r.before(2, 3):
		return 3
	default:
		return 4
	}
}

// criTable is where the CRI's runtime part is configured.
func (r release) criTable() string {
	if r.before(2, 0) {
		return "plugins.'io.containerd.grpc.v1.cri'"
	}
	return "plugins.'io.containerd.cri.v1.runtime'"
}

// manyCNIDirs reports whether CNI's programs may lie in several folders, which is
// another key.
func (r release) manyCNIDirs() bool { return !r.before(2, 1) }

// mergesDropIns is false where a drop-in replaces the whole of a plugin's table.
func (r release) mergesDropIns() bool { return !r.before(2, 0) }
