// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

func builtIn(t *testing.T, name string) policy.Profile {
	t.Helper()
	c, err := Parse("config.toml", []byte("version = 1"))
	must(t, err)
	i := slices.IndexFunc(c.Profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("no profile %q", name)
	}
	return c.Profiles[i].Profile
}

// TestNoMknod evaluates the rules as the kernel's filter does.
func TestNoMknod(t *testing.T) {
	rules := builtIn(t, "no-mknod").Seccomp
	for _, c := range []struct {
		name   string
		mode   uint64
		dev    uint64
		denied bool
	}{
		{"block device", unix.S_IFBLK | 0o600, unix.Mkdev(7, 0), true},
		{"block device 0:0", unix.S_IFBLK | 0o600, 0, true},
		{"character device", unix.S_IFCHR | 0o666, unix.Mkdev(1, 3), true},
		{"character device with a set-uid bit", unix.S_IFCHR | 0o4666, unix.Mkdev(1, 3), true},
		{"whiteout", unix.S_IFCHR | 0o600, 0, false},
		{"FIFO", unix.S_IFIFO | 0o600, 0, false},
		{"FIFO with a device number", unix.S_IFIFO | 0o600, 5, false},
		{"socket", unix.S_IFSOCK | 0o600, 0, false},
		{"regular file", unix.S_IFREG | 0o600, 0, false},
		{"regular file, unsaid", 0o600, 0, false},
	} {
		const path, dirfd = 0x7ffd0000, ^uint64(99) // AT_FDCWD
		for call, args := range map[string][]uint64{
			"mknod":   {path, c.mode, c.dev},
			"mknodat": {dirfd, path, c.mode, c.dev},
		} {
			if denied := slices.ContainsFunc(rules, func(r policy.SeccompRule) bool {
				return r.Errno == uint(unix.EPERM) && slices.Contains(r.Syscalls, call) && matches(r, args)
			}); denied != c.denied {
				t.Errorf("%s of a %s: denied is %t", call, c.name, denied)
			}
		}
	}
}

func matches(r policy.SeccompRule, args []uint64) bool {
	for _, a := range r.Args {
		ok := args[a.Index] != a.Value
		if a.Op == specs.OpMaskedEqual {
			ok = args[a.Index]&a.Value == a.ValueTwo
		}
		if !ok {
			return false
		}
	}
	return true
}

// TestDeviceProfiles: one node each, which every user of the container may
// open, as udev has it on the host.
func TestDeviceProfiles(t *testing.T) {
	for name, path := range map[string]string{"fuse": "/dev/fuse", "kvm": "/dev/kvm", "tun": "/dev/net/tun"} {
		want := policy.DeviceRule{Path: path, Access: "rw", Mode: policy.Is(fs.FileMode(0o666))}
		if got := builtIn(t, name).Devices; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestNested: CAP_SYS_ADMIN may only go where it ends at the pod.
func TestNested(t *testing.T) {
	if p := builtIn(t, "nested"); !p.Requires.UserNamespace {
		t.Errorf("got %+v", p.Requires)
	}
}
