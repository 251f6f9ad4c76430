// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestSyscallNames compares the list with the tables of golang.org/x/sys.
func TestSyscallNames(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "unix/zsysnum_linux_*.go"))
	if err != nil || len(tables) < 10 {
		t.Fatalf("found %d tables: %v", len(tables), err)
	}
	constant := regexp.MustCompile(`(?m)^\s+SYS_([A-Z0-9_]+)\s+=`)
	var names []string
	for _, table := range tables {
		text, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range constant.FindAllStringSubmatch(string(text), -1) {
			if m[1] != "SYSCALL_MASK" && m[1] != "ARCH_SPECIFIC_SYSCALL" { // limits, not calls
				names = append(names, strings.ToLower(m[1]))
			}
		}
	}
	slices.Sort(names)
	golden(t, "syscalls.txt", strings.Join(slices.Compact(names), "\n")+"\n")
}

// What containerd's own profile names is known, whatever the container may do.
func TestSyscallsOfContainerd(t *testing.T) {
	caps := []string{"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF", "CAP_PERFMON", "CAP_SYS_MODULE", "CAP_SYS_TIME", "CAP_SYSLOG",
		"CAP_SYS_BOOT", "CAP_SYS_CHROOT", "CAP_DAC_READ_SEARCH", "CAP_SYS_RAWIO", "CAP_SYS_TTY_CONFIG", "CAP_SYS_PACCT", "CAP_SYS_NICE"}
	profile := seccomp.DefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}})
	for _, rule := range profile.Syscalls {
		for _, name := range rule.Names {
			if !knownSyscall(name) {
				t.Errorf("%q is not known", name)
			}
		}
	}
	for call, others := range sameAs {
		for _, name := range append(others, call) {
			if !knownSyscall(name) {
				t.Errorf("%q is not known", name)
			}
		}
	}
	for _, call := range byRing {
		if !knownSyscall(call) {
			t.Errorf("%q is not known", call)
		}
	}
	for call := range intArguments {
		if !knownSyscall(call) {
			t.Errorf("%q is not known", call)
		}
	}
}

func TestNearSyscall(t *testing.T) {
	for name, want := range map[string]string{"mknodd": "mknod", "mknoda": "mknod", "mkndo": "mknod", "knod": "mknod", "frobnicate": "", "m": ""} {
		if got := nearSyscall(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
