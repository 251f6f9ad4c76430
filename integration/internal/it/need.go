// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"os"
	"testing"
)

// NeedNamedHierarchy skips on a machine that has cgroup v2 alone.
func NeedNamedHierarchy(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/sys/fs/cgroup/systemd/cgroup.procs"); err != nil {
		t.Skip("no cgroup v1 hierarchy named systemd here")
	}
}

// NeedDevices skips where the machine lacks a device, which is nobody's omission; CI
// has them all.
func NeedDevices(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("this machine lacks a device that the test needs: %v", err)
			}
			t.Skipf("this machine lacks a device that the test needs: %v", err)
		}
	}
}

// NeedFuse ends a test that would show nothing on a machine without /dev/fuse.
func NeedFuse(t *testing.T) {
	t.Helper()
	NeedDevices(t, "/dev/fuse")
}
