// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

const userNamespaceChild = "test-user-namespace"

func TestMain(m *testing.M) {
	if os.Args[0] == userNamespaceChild {
		if err := ServeUserNamespace(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// What docs/security.md and the profiles rest on, asked of this kernel.
func TestUserNamespace(t *testing.T) {
	requireRoot(t)
	before, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	u, err := NewUserNamespace(t.Context(), userNamespaceChild)
	must(t, err)
	if got, want := u.Mknod(), (ChildNodes{Device: unix.EPERM}); got != want {
		t.Errorf("mknod answers %+v, want %+v", got, want)
	}
	if err := u.IDMapTmpfs(); err != nil {
		t.Errorf("a tmpfs: %v", err)
	}
	if err := u.IDMap(t.TempDir()); err != nil {
		t.Errorf("the temporary directory: %v", err)
	}
	// /proc is one of the file systems that the kernel does not id-map.
	if err := u.IDMap("/proc"); err == nil {
		t.Error("/proc can be id-mapped, so the answer says nothing")
	}
	must(t, u.Close())
	after, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	if string(before) != string(after) {
		t.Errorf("mounts are left behind:\n%s", after)
	}
}

func TestOpenTakesFilesOnly(t *testing.T) {
	h := newHost(t, "/")
	if _, err := h.Open("/dev/null"); err == nil {
		t.Error("a device is opened")
	}
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/file", []byte("text"), 0o600))
	symlink(t, "/dev/../"+dir+"/file", dir+"/link")
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	if _, err := h.Open(dir + "/fifo"); err == nil {
		t.Error("a FIFO is opened")
	}
	if got, err := h.ReadFile(dir+"/link", 4); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := h.ReadFile(dir+"/file", 3); err == nil {
		t.Error("a file that is too long is read")
	}
	inside := newHost(t, dir)
	symlink(t, "/file", dir+"/absolute")
	if got, err := inside.ReadFile("/absolute", 10); err != nil || string(got) != "text" {
		t.Errorf("below host_root: %q, %v", got, err)
	}
}
