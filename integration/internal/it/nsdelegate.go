// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// NSDelegate tells whether the machine's one cgroup v2 hierarchy has this option. No test
// takes it away: every container of the machine would lose the boundary that it draws.
func NSDelegate(t *testing.T) bool {
	t.Helper()
	_, options := cgroup2Mount(t)
	return slices.Contains(options, "nsdelegate")
}

// NeedNSDelegate gives the hierarchy the option until the test's end, as systemd does at
// boot, where it lacks it. A process of its own takes it back, so that this happens also
// if the test is killed.
func NeedNSDelegate(t *testing.T) {
	t.Helper()
	at, options := cgroup2Mount(t)
	if slices.Contains(options, "nsdelegate") {
		return
	}
	had := strings.Join(options, ",") // a remount without one of them takes it away
	back := exec.Command("sh", "-c", `while read -r _; do :; done; exec mount -o "remount,$1" none "$2"`, "sh", had, at)
	back.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := back.StdinPipe()
	Must(t, err, back.Start())
	t.Cleanup(func() { Must(t, stdin.Close(), back.Wait()) })
	if out, err := exec.Command("mount", "-o", "remount,"+had+",nsdelegate", "none", at).CombinedOutput(); err != nil {
		t.Fatalf("mounting %s with nsdelegate: %v: %s", at, err, out)
	}
}

func cgroup2Mount(t *testing.T) (at string, options []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mounts")
	Must(t, err)
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); f[2] == "cgroup2" {
			return f[1], strings.Split(f[3], ",")
		}
	}
	t.Fatal("no cgroup2 is mounted")
	return "", nil
}
