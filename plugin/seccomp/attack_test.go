// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A pod's author chooses the seccomp profile that a denial is merged into: none, or a
// file of the node with anything in it. No block device can be made.
func TestAttackOwnProfile(t *testing.T) {
	calls := []string{"mknod", "mknodat"}
	profile := func(byDefault specs.LinuxSeccompAction, rules ...specs.LinuxSyscall) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: byDefault, Syscalls: rules}
	}
	rule := func(action specs.LinuxSeccompAction, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: calls, Action: action, Args: args}
	}
	allow := rule(specs.ActAllow)
	isBlock := func(index uint) specs.LinuxSeccompArg {
		return arg(index, specs.OpMaskedEqual, fmtMask, block)
	}
	for name, own := range map[string]*specs.LinuxSeccomp{
		"none":                     nil,
		"empty, allowing":          profile(specs.ActAllow),
		"empty, logging":           profile(specs.ActLog),
		"empty, tracing":           profile(specs.ActTrace),
		"the runtime's":            runtimeDefault(),
		"an allow":                 profile(specs.ActErrno, allow),
		"an allow twice":           profile(specs.ActErrno, allow, allow),
		"an allow after a denial":  profile(specs.ActErrno, rule(specs.ActErrno), allow),
		"an allow of the default":  profile(specs.ActAllow, allow),
		"a log":                    profile(specs.ActErrno, rule(specs.ActLog)),
		"a tracer":                 profile(specs.ActErrno, rule(specs.ActTrace)),
		"a listener":               profile(specs.ActErrno, rule(specs.ActNotify)),
		"an errno of 0":            profile(specs.ActAllow, specs.LinuxSyscall{Names: calls, Action: specs.ActTrace, ErrnoRet: ptr(uint(0))}),
		"an allow of blocks alone": profile(specs.ActErrno, rule(specs.ActAllow, isBlock(1)), rule(specs.ActAllow, isBlock(2))),
		"an allow by the upper bits": profile(specs.ActErrno, rule(specs.ActAllow, arg(1, specs.OpGreaterEqual, 0, 0)),
			rule(specs.ActAllow, arg(2, specs.OpGreaterEqual, 0, 0))),
		"one condition in two":   profile(specs.ActErrno, rule(specs.ActAllow, arg(1, specs.OpNotEqual, 0, 0), arg(1, specs.OpEqualTo, 0, 0))),
		"one name many times":    profile(specs.ActErrno, specs.LinuxSyscall{Names: slices.Repeat(calls, 50), Action: specs.ActAllow}),
		"among unknown names":    profile(specs.ActErrno, specs.LinuxSyscall{Names: []string{"", "MKNOD", "mknod", "no_such_call", "mknodat"}, Action: specs.ActAllow}),
		"an allow of no name":    profile(specs.ActAllow, specs.LinuxSyscall{Action: specs.ActAllow}),
		"other architectures":    {DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86, specs.ArchX32}},
		"flags and a listener's": {DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_SPEC_ALLOW"}, ListenerPath: "/run/x"},
		"thousands of conditions": profile(specs.ActErrno, slices.Repeat([]specs.LinuxSyscall{
			rule(specs.ActAllow, isBlock(1)), rule(specs.ActAllow, isBlock(2))}, 1000)...),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Apply(own, noMknod(), []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32})
			if err != nil {
				t.Logf("refused: %v", err)
				return
			}
			for _, mode := range []uint64{block | 0o666, block, block | 1<<40, block | 1<<63, char | 0o666} {
				for call, args := range map[string][]uint64{"mknod": {1, mode, 7 << 8, 0}, "mknodat": {1, 2, mode, 7 << 8}} {
					if said := answers(got, call, args); slices.ContainsFunc(said, answer.runs) {
						t.Errorf("%s of mode %#x: %v", call, mode, said)
					}
				}
			}
		})
	}
}
