// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"reflect"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

const (
	fmtMask = 0o170000
	block   = 0o060000
	char    = 0o020000
	regular = 0o100000
	fifo    = 0o010000
	socket  = 0o140000
)

// noMknod is the profile's rules: no device nodes, but whiteouts (character
// device 0:0), files, FIFOs and sockets.
func noMknod() []change.SeccompRule {
	rule := func(name string, mode uint, kind uint64, more ...specs.LinuxSeccompArg) change.SeccompRule {
		return change.SeccompRule{Syscalls: []string{name}, Errno: 1, ErrnoName: "EPERM", Args: append([]specs.LinuxSeccompArg{arg(mode, specs.OpMaskedEqual, fmtMask, kind)}, more...)}
	}
	return []change.SeccompRule{
		rule("mknod", 1, block), rule("mknod", 1, char, arg(2, specs.OpNotEqual, 0, 0)),
		rule("mknodat", 2, block), rule("mknodat", 2, char, arg(3, specs.OpNotEqual, 0, 0)),
	}
}

// runtimeDefault has containerd's shape: an errno by default, a long list that
// may run, and some that may with conditions.
func runtimeDefault() *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"mkdir", "mknod", "mknodat", "mmap", "open", "read", "write"}, Action: specs.ActAllow},
			{Names: []string{"personality"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{arg(0, specs.OpEqualTo, 8, 0)}},
			{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: ptr(uint(38))},
		},
	}
}

func TestNoMknod(t *testing.T) {
	allow, eperm := answer{action: specs.ActAllow}, answer{specs.ActErrno, 1}
	enosys, kill := answer{specs.ActErrno, 38}, answer{action: specs.ActKillProcess}
	one := func(s *specs.LinuxSeccomp, rules ...specs.LinuxSyscall) *specs.LinuxSeccomp {
		s.Syscalls = rules
		return s
	}
	both := []string{"mknod", "mknodat"}
	for _, tc := range []struct {
		name    string
		current *specs.LinuxSeccomp
		device  answer // to a block device, and to a character device not 0:0
		file    answer // to a regular file
		fifo    answer // to a FIFO
	}{
		{name: "unconfined", device: eperm, file: allow, fifo: allow},
		{name: "RuntimeDefault", current: runtimeDefault(), device: eperm, file: allow, fifo: allow},
		{name: "RuntimeDefault with another errno", current: func() *specs.LinuxSeccomp { s := runtimeDefault(); s.DefaultErrnoRet = ptr(uint(38)); return s }(), device: eperm, file: allow, fifo: allow},
		{name: "allows by default", current: &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, device: eperm, file: allow, fifo: allow},
		{name: "logs by default", current: &specs.LinuxSeccomp{DefaultAction: specs.ActLog}, device: eperm, file: answer{action: specs.ActLog}, fifo: answer{action: specs.ActLog}},
		{name: "allows files only", current: one(&specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: ptr(uint(38))},
			specs.LinuxSyscall{Names: []string{"mknod"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{arg(1, specs.OpMaskedEqual, fmtMask, regular)}},
			specs.LinuxSyscall{Names: []string{"mknodat"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{arg(2, specs.OpMaskedEqual, fmtMask, regular)}}),
			device: enosys, file: allow, fifo: enosys},
		{name: "denies it in its own way", current: one(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, specs.LinuxSyscall{Names: both, Action: specs.ActErrno, ErrnoRet: ptr(uint(38))}),
			device: enosys, file: enosys, fifo: enosys},
		{name: "denies devices in its own way", current: one(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow},
			specs.LinuxSyscall{Names: []string{"mknod"}, Action: specs.ActKillProcess, Args: noMknod()[0].Args}, specs.LinuxSyscall{Names: []string{"mknod"}, Action: specs.ActKillProcess, Args: noMknod()[1].Args},
			specs.LinuxSyscall{Names: []string{"mknodat"}, Action: specs.ActKillProcess, Args: noMknod()[2].Args}, specs.LinuxSyscall{Names: []string{"mknodat"}, Action: specs.ActKillProcess, Args: noMknod()[3].Args}),
			device: kill, file: allow, fifo: allow},
		{name: "does not know it", current: &specs.LinuxSeccomp{DefaultAction: specs.ActKillProcess}, device: kill, file: kill, fifo: kill},
		{name: "leaves it to a listener", current: one(&specs.LinuxSeccomp{DefaultAction: specs.ActErrno}, specs.LinuxSyscall{Names: both, Action: specs.ActNotify}),
			device: eperm, file: answer{action: specs.ActNotify}, fifo: answer{action: specs.ActNotify}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			after, err := Apply(tc.current, noMknod(), []specs.Arch{specs.ArchX86_64})
			if err != nil {
				t.Fatal(err)
			}
			for name, args := range map[string]func(mode, dev uint64) []uint64{
				"mknod":   func(mode, dev uint64) []uint64 { return []uint64{1, mode, dev} },
				"mknodat": func(mode, dev uint64) []uint64 { return []uint64{1, 2, mode, dev} },
			} {
				for _, call := range []struct {
					what      string
					mode, dev uint64
					want      answer
				}{
					{"block", block | 0o600, 0x0800, tc.device}, {"block 0:0", block, 0, tc.device}, {"block, with set-uid", block | 0o7777, 1, tc.device},
					{"block, with high bits that the kernel drops", 1<<40 | 1<<16 | block, 1, tc.device},
					{"char", char | 0o666, 0x0103, tc.device}, {"char, high bits of the number", char, 1 << 33, tc.device},
					{"regular", regular | 0o644, 0, tc.file}, {"regular, with a number", regular, 5, tc.file},
					{"whiteout", char, 0, tc.fifo}, {"FIFO", fifo | 0o600, 0, tc.fifo}, {"FIFO, with a number", fifo, 5, tc.fifo}, {"socket", socket, 0, tc.fifo},
				} {
					if got := answers(after, name, args(call.mode, call.dev)); !slices.Equal(got, []answer{call.want}) {
						t.Errorf("%s of %s: got %v, want %v", name, call.what, got, call.want)
					}
				}
			}
			for _, name := range []string{"read", "clone3", "unheard_of"} {
				if got, want := answers(after, name, []uint64{0, 0}), answers(tc.current, name, []uint64{0, 0}); !slices.Equal(got, want) {
					t.Errorf("%s: got %v, want %v", name, got, want)
				}
			}
		})
	}
}

// What the filter says is as it is read, for the plainest profile.
func TestApplyInFull(t *testing.T) {
	archs := []specs.Arch{specs.ArchAARCH64, specs.ArchARM}
	deny := []change.SeccompRule{{Syscalls: []string{"a", "b"}, Errno: 5, Args: []specs.LinuxSeccompArg{arg(0, specs.OpEqualTo, 7, 0)}}}
	allow := []change.SeccompRule{{Syscalls: []string{"a", "b"}}}
	seven := deny[0].Args
	not7 := []specs.LinuxSeccompArg{arg(0, specs.OpNotEqual, 7, 0)}
	for _, tc := range []struct {
		name          string
		current, want *specs.LinuxSeccomp
		rules         []change.SeccompRule
	}{
		{name: "unconfined, nothing"},
		{name: "unconfined, allow", rules: allow},
		{name: "unconfined, deny", rules: deny, want: &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: archs,
			Syscalls: []specs.LinuxSyscall{{Names: []string{"a", "b"}, Action: specs.ActErrno, ErrnoRet: ptr(uint(5)), Args: seven}}}},
		{name: "deny, and allow the rest again", rules: deny,
			current: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_LOG"}, ListenerPath: "/l", Syscalls: []specs.LinuxSyscall{{Names: []string{"a", "c"}, Action: specs.ActAllow}}},
			want: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_LOG"}, ListenerPath: "/l", Syscalls: []specs.LinuxSyscall{
				{Names: []string{"c"}, Action: specs.ActAllow}, {Names: []string{"a"}, Action: specs.ActAllow, Args: not7},
				{Names: []string{"a"}, Action: specs.ActErrno, ErrnoRet: ptr(uint(5)), Args: seven}}}},
		{name: "allow what is not yet", rules: allow,
			current: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"a"}, Action: specs.ActLog}}},
			want:    &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"a"}, Action: specs.ActLog}, {Names: []string{"b"}, Action: specs.ActAllow}}}},
		{name: "allow what the pod denies", rules: allow,
			current: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"a"}, Action: specs.ActErrno}, {Names: []string{"b"}, Action: specs.ActKill, Args: seven}}},
			want: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"a"}, Action: specs.ActErrno}, {Names: []string{"b"}, Action: specs.ActKill, Args: seven},
				{Names: []string{"b"}, Action: specs.ActAllow, Args: not7}}}},
		{name: "allow under a default that allows", rules: allow, current: &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, want: &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Apply(tc.current, tc.rules, archs)
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %v\n%s\nwant %s", err, dump(got), dump(tc.want))
			}
		})
	}
	_, err := Apply(&specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"a"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{arg(0, specs.OpGreaterThan, 1, 0), arg(1, specs.OpGreaterThan, 1, 0)}}}},
		[]change.SeccompRule{{Syscalls: []string{"a"}, Errno: 1, Args: []specs.LinuxSeccompArg{masked(0)}}, {Syscalls: []string{"a"}, Errno: 1, Args: []specs.LinuxSeccompArg{masked(1)}}}, nil)
	if want := "what is left of a under the container's own seccomp profile: needs more than 64 rules"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
