// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package nested

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/node"
)

// testEndsAtThePod is what root in a pod of engines tries against the node: its
// capabilities, its /proc and its cgroups end at the pod.
func (x *nest) testEndsAtThePod(t *testing.T) {
	c := x.run(t, "nested")
	t.Run("cgroups", func(t *testing.T) { nestedCgroups(t, c, x.v2) })
	t.Run("sysctls", func(t *testing.T) { nestedSysctls(t, c) })
	t.Run("proc", func(t *testing.T) { nestedProc(t, c) })
	t.Run("devices", x.nestedDevices)
	t.Run("file systems", func(t *testing.T) { nestedFileSystems(t, c) })
	t.Run("keys", func(t *testing.T) { nestedKeys(t, c) })
}

// Its limits are out of reach where they are, where they can be written to (a remount)
// and where they are mounted anew, and so is what is above its own cgroup.
func nestedCgroups(t *testing.T, c *node.Container, v2 bool) {
	if v2 {
		for _, dir := range []string{"/sys/fs/cgroup", "/mnt"} {
			if output, ok := attempt(t, c, "mountpoint -q "+dir+" || mount -t cgroup2 none "+dir); !ok {
				t.Fatal(output)
			}
			it.Expect(t, c, "write "+dir+"/cgroup.max.descendants max", "EACCES")
			it.Expect(t, c, "write "+dir+"/cgroup.freeze 0", "EACCES")
			it.Expect(t, c, "cat "+dir+"/cgroup.type", "domain\n") // its own: the machine's root has none
		}
	} else {
		attempt(t, c, "mount -o remount,rw,bind /sys/fs/cgroup/memory")
		it.Expect(t, c, "write /sys/fs/cgroup/memory/memory.limit_in_bytes 99999999", "EACCES")
		it.Expect(t, c, "mkdir /sys/fs/cgroup/memory/child", "EACCES")
	}
	// A hierarchy of v1 on a machine that has it is the container's own, too.
	if output, ok := attempt(t, c, "mkdir -p /v1; mount -t cgroup -o memory none /v1"); ok {
		it.Expect(t, c, "write /v1/memory.limit_in_bytes 99999999", "EACCES")
		it.Expect(t, c, "write /v1/cgroup.procs 0", "EACCES")
		it.Expect(t, c, "mkdir /v1/child", "EACCES")
	} else if !v2 {
		t.Error(output)
	}
	// In a further cgroup namespace its parent can be seen, and not entered or changed.
	output, ok := attempt(t, c, `
own=/sys/fs/cgroup; [ -e $own/cgroup.procs ] || own=/sys/fs/cgroup/systemd
mkdir $own/lower
echo $$ >$own/lower/cgroup.procs
unshare --cgroup --mount sh -c 'cat /proc/self/cgroup; sed -n "/ \/sys\/fs\/cgroup/p" /proc/self/mountinfo'
echo $$ >$own/cgroup.procs
rmdir $own/lower
`)
	if !ok || strings.Contains(output, c.ID) {
		t.Errorf("a cgroup of its own in a further namespace: %s", output)
	}
}

// namespaced are the sysctls of the pod's own namespaces: network, IPC, user, PID, UTS.
var namespaced = regexp.MustCompile(`^/proc/sys/(net|user|fs/mqueue)/|^/proc/sys/kernel/(msg|sem|shm|auto_msgmni|ns_last_pid|pid_max|hostname|domainname)`)

func nestedSysctls(t *testing.T, c *node.Container) {
	// Opened and not written: what it may write, it may write to the machine.
	output, ok := attempt(t, c, `
find /proc/sys -type f | while read -r f; do
	if (: >>"$f") 2>/dev/null; then echo "$f"; fi
done`)
	lines := strings.Fields(output)
	if !ok || len(lines) < 20 {
		t.Fatalf("looking for sysctls: %s", output)
	}
	for _, f := range lines {
		if !namespaced.MatchString(f) {
			t.Errorf("%s can be written", f)
		}
	}
	for _, name := range []string{"kernel/core_pattern", "kernel/panic", "vm/overcommit_memory", "fs/file-max"} {
		it.Expect(t, c, "open /proc/sys/"+name+" w", "EACCES")
	}
}

// The files that the kubelet masks keep their owner.
func nestedProc(t *testing.T, c *node.Container) {
	for _, question := range []string{"open /proc/sysrq-trigger w", "open /proc/kcore r", "open /proc/timer_list r", "open /proc/kmsg r", "open /proc/irq/default_smp_affinity w"} {
		if _, err := os.Stat(strings.Fields(question)[1]); err != nil {
			continue // not of this kernel
		}
		it.Expect(t, c, question, "EACCES")
	}
	it.Expect(t, c, "write /proc/1/oom_score_adj -1000", "EACCES")
}

// No device but those that the profile gives: a node can be neither made nor, from a
// volume that holds one, opened or mounted.
func (x *nest) nestedDevices(t *testing.T) {
	c := it.Run(t, x.Node, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, UserNamespace: true, Annotations: it.AskFor("nested")},
		x.container(node.Mount{HostPath: x.deviceVolume(t), ContainerPath: "/devices"}))
	attempt(t, c, "mount -t tmpfs none /mnt")
	for _, at := range []string{"/root/disk", "/dev/disk", "/mnt/disk"} {
		it.Expect(t, c, "mknod b "+at+" 7 0", "EPERM")
		it.Expect(t, c, "mknod c "+at+" 1 1", "EPERM")
	}
	it.Expect(t, c, "open /devices/disk r", "EPERM")
	if output, ok := attempt(t, c, "mount -t ext4 /devices/disk /mnt"); ok || !strings.Contains(output, "permission denied") && !strings.Contains(output, "must be superuser") {
		t.Errorf("mounting a disk: %s", output)
	}
}

// deviceVolume is a volume that holds the node of a loop device, for anyone to open.
func (x *nest) deviceVolume(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(x.Dir(), "devices-")
	it.Must(t, err)
	it.Must(t, os.Chmod(dir, 0o755))
	it.Must(t, unix.Mknod(dir+"/disk", unix.S_IFBLK|0o666, int(unix.Mkdev(7, 0))))
	it.Must(t, os.Chmod(dir+"/disk", 0o666))
	return dir
}

// File systems that show the machine cannot be mounted, nor /sys to be written.
func nestedFileSystems(t *testing.T, c *node.Container) {
	for _, fs := range []string{"devtmpfs", "debugfs", "tracefs", "securityfs", "pstore", "configfs"} {
		if output, ok := attempt(t, c, "mount -t "+fs+" none /mnt"); ok {
			t.Errorf("mounted %s: %s", fs, output)
		}
	}
	for _, script := range []string{"mount -t sysfs sysfs /mnt", "mount -o remount,rw sysfs /sys"} {
		if output, ok := attempt(t, c, script); ok {
			t.Errorf("%s: %s", script, output)
		}
	}
}

// Keys of users that the pod does not have are neither listed nor read, by keyctl or by
// the unmasked /proc/keys.
func nestedKeys(t *testing.T, c *node.Container) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	name := fmt.Sprintf("nodegate-test-%d", os.Getpid())
	serial, err := unix.AddKey("user", name, []byte("secret"), unix.KEY_SPEC_USER_KEYRING)
	it.Must(t, err)
	t.Cleanup(func() {
		if _, err := unix.KeyctlInt(unix.KEYCTL_UNLINK, serial, unix.KEY_SPEC_USER_KEYRING, 0, 0); err != nil {
			t.Error(err)
		}
	})
	it.Expect(t, c, "key "+strconv.Itoa(serial), "EACCES")
	output, _ := attempt(t, c, "cat /proc/keys")
	if strings.Contains(output, name) || !strings.Contains(output, "keyring") {
		t.Errorf("/proc/keys: %s", output)
	}
}
