// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// level is a version of NRI, 0.major.minor, as the runtime speaks it: what a
// runtime does not know in an adjustment, it drops without a word.
type level struct{ major, minor int }

// The levels at which NRI learned to carry something, from NRI's releases. It
// has had sysctls since 0.11, but a sysctl from a plugin is the end of a
// containerd with that one, 2.2.1 to 2.2.9: it writes to a map that it never
// made, and panics.
var (
	lowestLevel     = level{2, 0}
	levelRules      = level{10, 0} // device-cgroup rules, seccomp, namespaces
	levelSysctls    = level{12, 0}
	levelSeesPolicy = level{12, 0} // the container's seccomp profile is told
	levelFails      = level{12, 4} // a request that a plugin does not answer can fail
)

func (l level) atLeast(other level) bool {
	return l.major > other.major || l.major == other.major && l.minor >= other.minor
}

func (l level) String() string { return fmt.Sprintf("0.%d.%d", l.major, l.minor) }

// runtimeInfo is who is at the other end of the connection.
type runtimeInfo struct {
	name, version string
	level         level
	cdi           bool // injects the CDI devices that a plugin names
}

func (r runtimeInfo) String() string {
	return fmt.Sprintf("%s %s (NRI %s)", r.name, r.version, r.level)
}

// newRuntimeInfo works out the NRI level. reported is what the runtime says of
// itself, which containerd does from NRI 0.12.2 on. Before that, its own
// version tells, leniently parsed: distributions add to it ("1.7.24~ds1",
// "2.2.1-k3s1", "1.7.35+unknown"). Any other runtime gets the lowest level,
// whatever it reports: what cannot be known to arrive is not sent, and one that
// does not tell a container's seccomp profile would have it replaced.
func newRuntimeInfo(name, version, reported string) runtimeInfo {
	info := runtimeInfo{name: name, version: version, level: lowestLevel}
	if name != "containerd" {
		return info
	}
	if v, ok := parseVersion(reported); ok && v.numbers[0] == 0 && v.numbers[1] >= levelSeesPolicy.major {
		info.level, info.cdi = level{v.numbers[1], v.numbers[2]}, true
		return info
	}
	if v, ok := parseVersion(version); ok {
		info.level, info.cdi = containerdLevel(v), containerdInjectsCDI(v)
	}
	return info
}

// containerdLevel maps containerd's releases to the NRI that they vendor.
func containerdLevel(v looseVersion) level {
	major, minor, patch := v.numbers[0], v.numbers[1], v.numbers[2]
	if v.pre && patch == 0 {
		minor-- // a release candidate may lack what its release has
	}
	switch {
	case major == 1 && minor == 7 && patch >= 26:
		return level{8, 0}
	case major == 1 && minor == 7 && patch >= 14:
		return level{6, 0}
	case major == 1 && minor == 7 && patch >= 7:
		return level{4, 0}
	case major == 1 && minor == 7:
		return level{3, 0}
	case major < 2 || minor < 0:
		return lowestLevel
	case major == 2 && minor <= 1:
		return level{8, 0}
	case major == 2 && minor == 2 && patch == 0:
		return level{10, 0}
	case major == 2 && minor == 2:
		return level{11, 0}
	case major == 2 && minor == 3:
		return level{12, 0}
	}
	return level{12, 3}
}

// containerdInjectsCDI knows the releases that leave a plugin's CDI devices out
// without a word, although their NRI (0.7 and later) has them: 1.7 before
// https://github.com/containerd/containerd/pull/12650, and all of 2.0.
func containerdInjectsCDI(v looseVersion) bool {
	major, minor, patch := v.numbers[0], v.numbers[1], v.numbers[2]
	switch {
	case major == 1:
		return minor == 7 && patch >= 30
	case major == 2 && minor == 1:
		return patch > 0 || !v.pre
	}
	return major > 2 || major == 2 && minor > 1
}

type looseVersion struct {
	numbers [3]int
	pre     bool // an alpha, a beta or a release candidate
}

var versionPattern = regexp.MustCompile(`^v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(.*)$`)

func parseVersion(s string) (v looseVersion, ok bool) {
	m := versionPattern.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return v, false
	}
	for i := range v.numbers {
		v.numbers[i], _ = strconv.Atoi(m[i+1]) // at most four digits, or empty for 0
	}
	rest := strings.TrimLeft(m[4], "-~.")
	for _, word := range []string{"alpha", "beta", "rc"} {
		v.pre = v.pre || strings.HasPrefix(rest, word)
	}
	return v, true
}
