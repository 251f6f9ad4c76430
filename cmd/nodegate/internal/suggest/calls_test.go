// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

var update = flag.Bool("update", false, "write calls.txt from containerd's default profile")

// The list is what containerd lets a container call, and what it lets those of other
// architectures call beside.
func TestDefaultCalls(t *testing.T) {
	caps := make([]string, len(byDefault))
	for i, name := range byDefault {
		caps[i] = "CAP_" + name
	}
	of := []string{"arch_prctl", "modify_ldt", "arm_fadvise64_64", "arm_sync_file_range", "breakpoint", "cacheflush", "set_tls", "sync_file_range2"}
	profile := seccomp.DefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}})
	for _, rule := range profile.Syscalls {
		if rule.Action == specs.ActAllow {
			of = append(of, rule.Names...)
		}
	}
	slices.Sort(of)
	text := strings.Join(slices.Compact(of), "\n") + "\n"
	if *update {
		if err := os.WriteFile("calls.txt", []byte(text), 0o644); err != nil { //nolint:gosec // part of the repository
			t.Fatal(err)
		}
		return
	}
	if text != callList {
		t.Error("calls.txt is not what containerd's profile says: run go test ./cmd/nodegate/internal/suggest -run DefaultCalls -update")
	}
}
