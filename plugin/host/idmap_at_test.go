// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// mountedUserNamespace returns the path of a user namespace in which no process
// is, as CRI-O makes one for a pod without an infra container.
func mountedUserNamespace(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 200000, Size: 1000}}}
	must(t, cmd.Start())
	at := filepath.Join(t.TempDir(), "userns")
	must(t, os.WriteFile(at, nil, 0o600))
	err := unix.Mount("/proc/"+strconv.Itoa(cmd.Process.Pid)+"/ns/user", at, "", unix.MS_BIND, "")
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	must(t, err)
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	return at
}

func TestIDMapsAt(t *testing.T) {
	requireRoot(t)
	h := newHost(t, "/")
	at := mountedUserNamespace(t)
	for range 50 { // beside the other threads of the test
		uid, gid := h.IDMapsAt(at)
		if !slices.Equal(uid.Value, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}) ||
			!slices.Equal(gid.Value, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 1000}}) {
			t.Fatalf("uid map %v, gid map %v", uid, gid)
		}
	}
	if got := h.IsNodeNamespace(at, specs.UserNamespace); !got.OK || got.Value {
		t.Errorf("is the node's: %v", got)
	}
	// What is no user namespace, or is not there.
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, []byte("0 0 1\n"), 0o600))
	for _, bad := range []string{file, "/", "/gone", "/dev/null", ""} {
		if uid, gid := h.IDMapsAt(bad); uid.OK || gid.OK {
			t.Errorf("%q: %v, %v", bad, uid, gid)
		}
		if got := h.IsNodeNamespace(bad, specs.IPCNamespace); got.OK {
			t.Errorf("%q is the node's: %v", bad, got)
		}
	}
}
