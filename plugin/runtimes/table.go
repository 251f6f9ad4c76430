// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import "github.com/nodegate/nodegate/plugin/change"

// Newest is the newest release that the tests of this release run on.
const Newest = "containerd/2.4.2"

// The names by which runtimes introduce themselves.
const (
	Containerd = "containerd"
	CRIO       = "cri-o"
)

// Row is what a runtime does from a release on, until the next row.
type Row struct {
	Since    version // major, minor, patch
	NRI      string  // the version that it has
	Features change.Features
	// Tried are the features that were seen at work on a real CRI-O; the rest
	// is read in its source. What containerd's releases do is tested with each
	// release of nodegate: docs/support-matrix.md.
	Tried change.Features
}

// lowest is what every runtime with NRI does.
var lowest = Row{NRI: "0.2.0", Features: change.DeliversBasics}

// What comes with a version of NRI, and with what a runtime tells of itself.
// NRI has sysctls from 0.11 on, but a sysctl from a plugin ends a runtime with
// 0.11: NRI writes to a map that it never made, and panics. Rlimits came with
// 0.4: https://github.com/containerd/nri/releases/tag/v0.4.0
const (
	basics   = change.DeliversBasics
	always   = change.TellsPID | change.TellsHostNamespaces | change.TellsPIDNamespace // containerd
	since0_4 = basics | change.DeliversRlimits
	// Seccomp is replaced whole, so it takes a runtime that tells the old one.
	since0_10 = since0_4 | change.DeliversAccess | change.DeliversDeviceRules | change.DeliversUserNamespaceDevices |
		change.DeliversNamespaces | change.DeliversSeccomp | change.Validates
	since0_12 = since0_10 | change.DeliversSysctls
	cdi       = change.DeliversCDI
	pid       = change.TellsPIDNamespace
	tells     = change.TellsUser | change.TellsSeccomp
	tried     = basics | change.DeliversAccess | change.DeliversDeviceRules | change.DeliversUserNamespaceDevices |
		change.DeliversCDI | change.DeliversNamespaces | change.TellsUser
)

// containerd leaves a plugin's CDI devices out without a word in 1.7 before
// https://github.com/containerd/containerd/pull/12650, and in all of 2.0,
// although NRI has them from 0.7 on.
var containerd = []Row{
	{version{1, 7, 0}, "0.3.0", basics | always, 0},
	{version{1, 7, 7}, "0.4.0", since0_4 | always, 0},
	{version{1, 7, 14}, "0.6.0", since0_4 | always, 0},
	{version{1, 7, 26}, "0.8.0", since0_4 | always, 0},
	{version{1, 7, 30}, "0.8.0", since0_4 | always | cdi, 0},
	{version{2, 0, 0}, "0.8.0", since0_4 | always, 0},
	{version{2, 1, 0}, "0.8.0", since0_4 | always | cdi, 0},
	{version{2, 2, 0}, "0.10.0", since0_10 | always | cdi, 0},
	{version{2, 2, 1}, "0.11.0", since0_10 | always | cdi, 0},
	{version{2, 3, 0}, "0.12.0", since0_12 | always | cdi | tells, 0},
	{version{2, 4, 0}, "0.12.3", since0_12 | always | cdi | tells, 0},
}

// CRI-O never tells a container's seccomp profile, so that a plugin's would
// replace it. With drop_infra_ctr, its default, a pod has no process, and no
// namespaces are told of it. From its sources:
// https://github.com/cri-o/cri-o/blob/v1.36.0/server/nri-api.go
var crio = []Row{
	{version{1, 32, 0}, "0.9.0", since0_4 | pid, 0},
	{version{1, 33, 0}, "0.9.1", since0_4 | pid, 0},
	{version{1, 34, 0}, "0.10.0", since0_10 | pid | cdi, 0},
	{version{1, 35, 0}, "0.11.0", since0_10 | pid | cdi, 0},
	{version{1, 36, 0}, "0.11.0", since0_10 | pid | cdi | change.TellsUser, tried | change.Validates},
	{version{1, 37, 0}, "0.12.0", since0_12 | pid | cdi | change.TellsUser, tried},
}

// Rows returns what is known of a runtime, oldest first; none for one that is
// not known.
func Rows(name string) []Row {
	switch name {
	case Containerd:
		return containerd
	case CRIO:
		return crio
	}
	return nil
}
