// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// cgroup2 mounts cgroup v2 below a root of its own and makes a cgroup with a process.
func cgroup2(t *testing.T) (root, name string) {
	t.Helper()
	ownThread(t)
	root = t.TempDir()
	mkdir(t, root+"/sys/fs/cgroup")
	mount(t, "cgroup2", root+"/sys/fs/cgroup", 0, "")
	name = fmt.Sprintf("nodegate-test-%d", os.Getpid())
	mkdir(t, root+"/sys/fs/cgroup/"+name)
	t.Cleanup(func() { must(t, unix.Rmdir(root+"/sys/fs/cgroup/"+name)) })
	return root, name
}

// inhabit puts a process into a cgroup.
func inhabit(t *testing.T, dir string) {
	t.Helper()
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, &os.ProcAttr{})
	must(t, err)
	t.Cleanup(func() {
		_ = p.Kill()
		_, _ = p.Wait()
	})
	must(t, os.WriteFile(dir+"/cgroup.procs", []byte(fmt.Sprint(p.Pid)), 0))
}

func owner(t *testing.T, name string) (uid, gid uint32) {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(name, &st))
	return st.Uid, st.Gid
}

func TestDelegateCgroup(t *testing.T) {
	root, name := cgroup2(t)
	h, dir := newHost(t, root), root+"/sys/fs/cgroup/"+name
	d := policy.CgroupDelegation{Path: "/sys/fs/cgroup/" + name, UID: 100000, GID: 200000}
	wantError(t, h.DelegateCgroup(&d), "is empty: the container's process is in another cgroup")
	inhabit(t, dir)
	must(t, h.DelegateCgroup(&d))
	must(t, h.DelegateCgroup(&d)) // as a second agent does
	list, err := os.ReadFile("/sys/kernel/cgroup/delegate")
	must(t, err)
	mine := append(strings.Fields(string(list)), ".")
	all, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range append(all, nil) {
		file := "."
		if f != nil {
			file = f.Name()
		}
		uid, gid := owner(t, filepath.Join(dir, file))
		if given := uid == 100000 && gid == 200000; given != slices.Contains(mine, file) {
			t.Errorf("%s belongs to %d:%d", file, uid, gid)
		}
	}
	if uid, _ := owner(t, root+"/sys/fs/cgroup"); uid != 0 {
		t.Error("the cgroup above was given away")
	}
}

func TestDelegateCgroupRefuses(t *testing.T) {
	root, name := cgroup2(t)
	h, dir := newHost(t, root), root+"/sys/fs/cgroup/"+name
	d := policy.CgroupDelegation{Path: "/sys/fs/cgroup/" + name, UID: 100000, GID: 200000}
	gone := d
	gone.Path += "/gone"
	wantError(t, h.DelegateCgroup(&gone), "is gone since the container was created")
	inhabit(t, dir)
	remount := func(flags uintptr) {
		must(t, unix.Mount("", root+"/sys/fs/cgroup", "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""))
	}
	remount(unix.MS_RDONLY)
	wantError(t, h.DelegateCgroup(&d), "read-only file system")
	remount(0)
	if uid, _ := owner(t, dir); uid != 0 {
		t.Error("given away all the same")
	}

	mkdir(t, root+"/foreign")
	must(t, os.Symlink("/foreign", root+"/link"))
	foreign := policy.CgroupDelegation{Path: "/foreign", UID: 100000}
	wantError(t, h.DelegateCgroup(&foreign), "is not a cgroup: something else is mounted there")
	foreign.Path = "/link"
	if err := h.DelegateCgroup(&foreign); err == nil {
		t.Error("a link was followed")
	}
	if uid, _ := owner(t, root+"/foreign"); uid != 0 {
		t.Error("what is no cgroup was given away")
	}
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got %v, want %q", err, part)
	}
}

// An agent in a PID namespace of its own finds no process in a cgroup of v1, and asks the
// node's /proc.
func TestDelegateCgroupFromAPIDNamespace(t *testing.T) {
	ownThread(t)
	root := t.TempDir()
	mkdir(t, root+"/proc")
	must(t, unix.Mount("/proc", root+"/proc", "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unix.Unmount(root+"/proc", unix.MNT_DETACH) })
	mkdir(t, root+"/sys/fs/cgroup/systemd")
	mount(t, "cgroup", root+"/sys/fs/cgroup/systemd", 0, "none,name=systemd")
	name := fmt.Sprintf("nodegate-test-%d", os.Getpid())
	h, dir := newHost(t, root), root+"/sys/fs/cgroup/systemd/"+name
	mkdir(t, dir)
	t.Cleanup(func() { must(t, unix.Rmdir(dir)) })
	in := func(name string) bool {
		found, err := h.inhabited(name, time.Now().Add(time.Minute))
		must(t, err)
		return found
	}
	if in(name) {
		t.Error("an empty cgroup counts as inhabited")
	}
	inhabit(t, dir)
	if !in(name) || in(name[1:]) || in("") {
		t.Error("the process in a cgroup is not found there, or elsewhere")
	}
	_, err := h.inhabited(name, time.Now())
	wantError(t, err, "was not found in time among the node's")
}
