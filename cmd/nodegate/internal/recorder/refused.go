// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// instead is what a node that cannot be observed leaves.
const instead = "nodegate suggest reads manifests instead"

// facts decide whether a node can be observed.
type facts struct {
	architecture string
	release      string // of the kernel, such as "6.12.0-1-amd64"; "" if unknown
	types        bool   // the kernel describes its types
	cgroups      bool   // of version 2
	locked       bool   // the kernel is locked down, confidentially
	root         bool
	capabilities uint64 // that this process has; all if unknown
}

// gather reads the facts of the node whose files are below a directory.
func gather(root string) facts {
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(root, name)) //nolint:gosec // "" for a file that is not there
		return strings.TrimSpace(string(text))
	}
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(root, name))
		return err == nil
	}
	f := facts{architecture: runtime.GOARCH, root: os.Geteuid() == 0, release: read("proc/sys/kernel/osrelease"),
		types: there("sys/kernel/btf/vmlinux"), cgroups: there("sys/fs/cgroup/cgroup.controllers"),
		locked:       strings.Contains(read("sys/kernel/security/lockdown"), "[confidentiality]"), // without the file none can be
		capabilities: ^uint64(0)}
	for line := range strings.Lines(read("proc/self/status")) {
		if text, ok := strings.CutPrefix(line, "CapEff:"); ok {
			if n, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64); err == nil {
				f.capabilities = n
			}
		}
	}
	return f
}

// needed are the first kernels that take the programs: on arm64 functions of the kernel can be
// traced by BPF since 6.4.
var needed = map[string][2]int{"arm64": {6, 4}}

// lacks says all that this node lacks to be observed.
func (f *facts) lacks() (out []string) {
	first, ok := needed[f.architecture]
	if !ok {
		first = [2]int{5, 15}
	}
	var has [2]int
	if n, _ := fmt.Sscanf(f.release, "%d.%d", &has[0], &has[1]); n == 2 && (has[0] < first[0] || has[0] == first[0] && has[1] < first[1]) {
		out = append(out, fmt.Sprintf("the kernel is %q, and the programs need %d.%d or later on %s", f.release, first[0], first[1], f.architecture))
	}
	if !f.types {
		out = append(out, "the kernel does not describe its types (no /sys/kernel/btf/vmlinux: CONFIG_DEBUG_INFO_BTF)")
	}
	if f.locked {
		out = append(out, "the kernel is locked down (confidentiality), and lets nobody trace")
	}
	if !f.cgroups {
		out = append(out, "/sys/fs/cgroup is not cgroup v2, by which containers are told apart")
	}
	return out
}

// check says why this node cannot be observed; nil if it may be.
func (f *facts) check() error {
	if lacks := f.lacks(); len(lacks) > 0 {
		return fmt.Errorf("this node cannot be observed: %s: %s", strings.Join(lacks, "; "), instead)
	}
	return nil
}

// refused says why the kernel took no program, as far as it can be found out.
func (f *facts) refused(err error) error {
	if !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("the kernel %q does not take the programs: %s: %w", f.release, instead, err)
	}
	if !f.root {
		return fmt.Errorf("recording needs root: %w", unix.EPERM)
	}
	const all = 1<<unix.CAP_BPF | 1<<unix.CAP_PERFMON
	if f.capabilities&(1<<unix.CAP_SYS_ADMIN) == 0 && f.capabilities&all != all {
		return fmt.Errorf("this process lacks CAP_BPF and CAP_PERFMON, without which nobody may trace: run it as root of the node; %s: %w", instead, unix.EPERM)
	}
	return fmt.Errorf("the kernel lets nobody trace, not even root with CAP_BPF and CAP_PERFMON: a security module or a setting of it forbids it, or a user namespace: %s: %w", instead, unix.EPERM)
}
