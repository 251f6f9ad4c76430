// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import "github.com/nodegate/nodegate/plugin/policy"

// advisoriesAsOf is the day on which the tables of this file were last looked over. They are
// no list of every published fault: a vulnerability scanner has that.
const advisoriesAsOf = "2026-11-29"

// release is major, minor and patch.
type release [3]int

// advisory is a published fault by which a container gets more than it was given, or does
// not start.
type advisory struct {
	of    string // containerd or runc
	id    string
	what  string
	since release   // the first release that has it; zero for all
	fixed []release // the first fixed one of each line, in order; other lines before the last one have none
	only  func(*Facts) bool
}

var advisories = []advisory{
	// https://github.com/containerd/containerd/security/advisories/GHSA-xhf5-7wjv-pqxp
	{of: "containerd", id: "CVE-2026-53488", what: "an image's label can run a command on the node",
		fixed: []release{{1, 7, 33}, {2, 0, 10}, {2, 1, 9}, {2, 2, 5}, {2, 3, 2}}},
	// https://github.com/containerd/containerd/security/advisories/GHSA-33vj-92qq-66hc
	{of: "containerd", id: "CVE-2026-53492", what: "a restored checkpoint brings CDI devices that nobody granted",
		since: release{2, 1, 0}, fixed: []release{{2, 1, 9}, {2, 2, 5}, {2, 3, 2}}},
	// https://github.com/opencontainers/runc/security/advisories/GHSA-9493-h29p-rfm2
	{of: "runc", id: "CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881", what: "a container can write to files of the node's /proc",
		fixed: []release{{1, 2, 8}, {1, 3, 3}, {1, 4, 0}}},
	// https://github.com/opencontainers/runc/releases/tag/v1.4.4 and v1.5.2
	{of: "runc", id: "a bug of Linux 6.17 to 7.1", what: "runc crashes at random when it sets device rules on cgroup v2",
		fixed: []release{{1, 4, 4}, {1, 5, 2}}, only: overwritesOnDeviceRules},
}

// ended are lines of releases that nobody mends any more.
var ended = []struct {
	of    string
	line  [2]int
	since string
}{
	// https://github.com/containerd/containerd/blob/main/RELEASES.md: 2.0 goes on to March 2027
	{"containerd", [2]int{1, 7}, "September 2026"},
	{"containerd", [2]int{2, 1}, "2026-07-03"},
	{"containerd", [2]int{2, 2}, "2026-11-06"},
	// https://github.com/opencontainers/runc/releases/tag/v1.4.0, v1.5.0 and v1.6.0
	{"runc", [2]int{1, 2}, "April 2026"},
	{"runc", [2]int{1, 3}, "2026-11-27"},
}

// unaffected is what to use instead.
var unaffected = map[string]string{"containerd": "containerd 2.3.2 or later", "runc": "runc 1.4.4, 1.5.2 or later"}

// overwritesOnDeviceRules reports whether the kernel writes past the end of what runc gives
// it for a device rule: from 6.17 on, mended in 7.2.
func overwritesOnDeviceRules(f *Facts) bool {
	v, ok := parseRelease(f.Kernel.Release)
	line := [2]int{v[0], v[1]}
	return ok && f.Cgroup.Version.Value == policy.CgroupV2 && !before(line, [2]int{6, 17}) && before(line, [2]int{7, 2})
}
