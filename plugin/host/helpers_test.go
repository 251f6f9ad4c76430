// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// cannot ends a test that cannot run here: skipped with the reason, or failed
// where tests must not be skipped.
func cannot(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") == "1" {
		t.Fatalf("cannot run here, and CI or NODEGATE_REQUIRE is set: %s", why)
	}
	t.Skipf("cannot run here: %s", why)
}

func requireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		cannot(t, "makes device nodes and mounts, which takes root")
	}
}

// ownThread gives the test a thread with a mount namespace, working directory,
// umask, capabilities and seccomp filters of its own. It ends with the test.
func ownThread(t testing.TB) {
	t.Helper()
	requireRoot(t)
	runtime.LockOSThread() // and never unlocked
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		cannot(t, fmt.Sprintf("unshare: %s", err))
	}
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}

// fakeNode makes a host_root with a /dev of its own, seen by this test alone.
func fakeNode(t testing.TB) (root string) {
	t.Helper()
	ownThread(t)
	root = t.TempDir()
	mkdir(t, root+"/dev")
	mount(t, "tmpfs", root+"/dev", 0, "mode=755")
	return root
}

func mount(t testing.TB, fs, at string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount("nodegate-test", at, fs, flags, data); err != nil {
		cannot(t, fmt.Sprintf("mounting %s: %s", fs, err))
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
}

// realDev returns a shadow directory in the machine's own /dev, which every
// thread and child of the test sees.
func realDev(t testing.TB) string {
	t.Helper()
	requireRoot(t)
	dir := fmt.Sprintf("/dev/.udev/nodegate-test-%d", os.Getpid())
	t.Cleanup(func() {
		_ = os.RemoveAll(dir)
		_ = os.Remove("/dev/.udev")
	})
	return dir
}

func bind(t testing.TB, from, at string) {
	t.Helper()
	must(t, unix.Mount(from, at, "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
}

func newShadows(t testing.TB, root, dir string) *Shadows {
	t.Helper()
	s, err := NewShadows(root, dir)
	must(t, err)
	return s
}

func newHost(t testing.TB, root string) *Host {
	t.Helper()
	h, err := New(root, "/dev/.udev/nodegate")
	must(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func mkdir(t testing.TB, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
}

func mknod(t testing.TB, at string, mode uint32, major, minor uint32) {
	t.Helper()
	mkdir(t, filepath.Dir(at))
	must(t, unix.Mknod(at, mode, int(unix.Mkdev(major, minor))))
	must(t, unix.Chmod(at, mode&0o7777))
}

func symlink(t testing.TB, target, at string) {
	t.Helper()
	mkdir(t, filepath.Dir(at))
	must(t, os.Symlink(target, at))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
