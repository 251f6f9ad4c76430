// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// observable is a node that can be observed, as the files that say so.
func observable() map[string]string {
	return map[string]string{"proc/sys/kernel/osrelease": "6.12.0-1\n", "proc/self/status": "Name:\tx\nCapEff:\t000001ffffffffff\n",
		"sys/kernel/btf/vmlinux": "x", "sys/kernel/security/lockdown": "none [integrity] confidentiality\n", "sys/fs/cgroup/cgroup.controllers": "cpu pids\n"}
}

// gathered are the facts of a node with these files.
func gathered(t *testing.T, files map[string]string) facts {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		at := filepath.Join(root, name)
		must(t, errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte(text), 0o600)))
	}
	f := gather(root)
	f.architecture, f.root = "amd64", true
	return f
}

// A node that cannot be observed is told everything that it lacks, and what it can do.
func TestLacks(t *testing.T) {
	for name, tc := range map[string]struct {
		lacks        string // a file that is not there
		file, text   string // or one that is otherwise
		architecture string
		want         string // "" for a node that can be observed
	}{
		"nothing is missing":           {},
		"without BTF":                  {lacks: "sys/kernel/btf/vmlinux", want: "the kernel does not describe its types (no /sys/kernel/btf/vmlinux: CONFIG_DEBUG_INFO_BTF)"},
		"cgroup v1":                    {lacks: "sys/fs/cgroup/cgroup.controllers", want: "/sys/fs/cgroup is not cgroup v2, by which containers are told apart"},
		"locked down":                  {file: "sys/kernel/security/lockdown", text: "none integrity [confidentiality]\n", want: "the kernel is locked down (confidentiality), and lets nobody trace"},
		"that cannot be locked down":   {lacks: "sys/kernel/security/lockdown"},
		"an old kernel":                {file: "proc/sys/kernel/osrelease", text: "5.14.0-70.el9\n", want: `the kernel is "5.14.0-70.el9", and the programs need 5.15 or later on amd64`},
		"the first kernel":             {file: "proc/sys/kernel/osrelease", text: "5.15.0\n"},
		"an old kernel of arm64":       {file: "proc/sys/kernel/osrelease", text: "6.1.0\n", architecture: "arm64", want: `the kernel is "6.1.0", and the programs need 6.4 or later on arm64`},
		"the first of arm64":           {file: "proc/sys/kernel/osrelease", text: "6.4.0\n", architecture: "arm64"},
		"a release that nobody knows":  {lacks: "proc/sys/kernel/osrelease"},
		"a release that is not number": {file: "proc/sys/kernel/osrelease", text: "x.y\n"},
	} {
		t.Run(name, func(t *testing.T) {
			files := observable()
			delete(files, tc.lacks)
			if tc.file != "" {
				files[tc.file] = tc.text
			}
			f := gathered(t, files)
			if tc.architecture != "" {
				f.architecture = tc.architecture
			}
			want := "<nil>"
			if tc.want != "" {
				want = "this node cannot be observed: " + tc.want + ": " + instead
			}
			if got := fmt.Sprint(f.check()); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	old := gathered(t, map[string]string{"proc/sys/kernel/osrelease": "4.19.0"})
	if got := old.lacks(); len(got) != 3 {
		t.Errorf("a node that lacks all is told %q", got)
	}
}

// A kernel that takes no program is named, or what forbids it.
func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		user   bool   // and not root
		status string // of the process
		want   string
	}{
		"a kernel without a part":  {err: unix.EINVAL, want: `the kernel "6.12.0-1" does not take the programs: ` + instead + `: invalid argument`},
		"no root":                  {err: unix.EPERM, user: true, want: "recording needs root: operation not permitted"},
		"root without CAP_PERFMON": {err: unix.EPERM, status: "CapEff:\t0000008000000000\n", want: "this process lacks CAP_BPF and CAP_PERFMON, without which nobody may trace: run it as root of the node; " + instead + ": operation not permitted"},
		"with both":                {err: unix.EPERM, status: "CapEff:\t000000c000000000\n", want: "the kernel lets nobody trace, not even root with CAP_BPF and CAP_PERFMON: a security module or a setting of it forbids it, or a user namespace: " + instead + ": operation not permitted"},
	} {
		t.Run(name, func(t *testing.T) {
			files := observable()
			if tc.status != "" {
				files["proc/self/status"] = tc.status
			}
			f := gathered(t, files)
			f.root = !tc.user
			if got := f.refused(fmt.Errorf("loading a program: %w", tc.err)).Error(); got != strings.Replace(tc.want, "invalid", "loading a program: invalid", 1) {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// The kernel of this machine takes the programs, or it is said why not.
func TestThisKernel(t *testing.T) {
	f := gather("/")
	f.cgroups = true // containers are not looked for
	r, err := (*Recorder)(nil), f.check()
	if err == nil {
		r, err = attach(&f)
	}
	if err == nil {
		must(t, r.Close())
	} else if f.root && !strings.Contains(err.Error(), instead) {
		t.Error(err)
	}
	t.Log(err)
}
