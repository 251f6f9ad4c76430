// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// version is major, minor and patch.
type version [3]int

// String writes a version as people do: without a patch that is 0.
func (v version) String() string {
	if v[2] == 0 {
		return fmt.Sprintf("%d.%d", v[0], v[1])
	}
	return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])
}

func (v version) compare(w version) int {
	return cmp.Or(cmp.Compare(v[0], w[0]), cmp.Compare(v[1], w[1]), cmp.Compare(v[2], w[2]))
}

// sameLine reports whether both are of one line of releases.
func (v version) sameLine(w version) bool { return v[0] == w[0] && v[1] == w[1] }

var versionPattern = regexp.MustCompile(`^v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(.*)$`)

// parse reads a version leniently, since distributions add to it: "1.7.24~ds1",
// "2.2.1-k3s1", "1.7.35+unknown". A pre-release may lack what its release has,
// so it counts as one of the line before.
func parse(s string) (v version, ok bool) {
	m := versionPattern.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return v, false
	}
	for i := range v {
		v[i], _ = strconv.Atoi(m[i+1]) // at most four digits, or empty for 0
	}
	rest := strings.TrimLeft(m[4], "-~.")
	for _, word := range []string{"alpha", "beta", "rc"} {
		if strings.HasPrefix(rest, word) && v[2] == 0 {
			v[1]--
		}
	}
	return v, true
}
