// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// The files by which a cgroup is managed. What cgroup v2 has of them the kernel
// lists itself. On v1 they are those that systemd gives to a user's manager.
const delegateList = "/sys/kernel/cgroup/delegate"

var (
	filesV1 = []string{"cgroup.procs", "tasks", "cgroup.clone_children"}
	filesV2 = []string{"cgroup.procs", "cgroup.threads", "cgroup.subtree_control"}
)

// DelegateCgroup hands a container's cgroup, and the files by which it is
// managed, to its root. It is for the time between the container's creation and
// its start: the cgroup must hold the container's process, and nothing of the
// container must have run.
func (h *Host) DelegateCgroup(d *policy.CgroupDelegation) error {
	dir, err := h.open(d.Path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%s is gone since the container was created: %w", d.Path, err)
	}
	if err != nil {
		return err
	}
	defer closeFD(dir)
	var files []string
	switch magic(dir) {
	case unix.CGROUP2_SUPER_MAGIC:
		files = delegated()
	case unix.CGROUP_SUPER_MAGIC:
		files = filesV1
	default:
		return fmt.Errorf("%s is not a cgroup: something else is mounted there", d.Path)
	}
	if err := h.populated(dir, d.Path); err != nil {
		return err
	}
	for _, name := range files {
		// Which files a cgroup has depends on the kernel and on its controllers.
		err := unix.Fchownat(dir, name, int(d.UID), int(d.GID), unix.AT_SYMLINK_NOFOLLOW)
		if err != nil && err != unix.ENOENT {
			return &os.PathError{Op: "chown", Path: d.Path + "/" + name, Err: err}
		}
	}
	if err := unix.Fchown(dir, int(d.UID), int(d.GID)); err != nil {
		return &os.PathError{Op: "chown", Path: d.Path, Err: err}
	}
	return nil
}

// delegated returns what the kernel lists as safe to hand over. The list is the
// kernel's and not the node's: an agent in a container finds it in its own /sys.
func delegated() []string {
	text, err := os.ReadFile(delegateList)
	if err != nil || len(text) == 0 {
		return filesV2
	}
	var names []string
	for _, name := range strings.Fields(string(text)) {
		if !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	return names
}

// populated makes sure that a process is in the cgroup: an empty one is none
// that the runtime put its container into.
func (h *Host) populated(dir int, name string) error {
	fd, err := unix.Openat(dir, "cgroup.procs", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: name + "/cgroup.procs", Err: err}
	}
	defer closeFD(fd)
	var some [16]byte
	n, err := unix.Read(fd, some[:])
	if err != nil {
		return &os.PathError{Op: "read", Path: name + "/cgroup.procs", Err: err}
	}
	// Of a process that this one's PID namespace does not have, as in a DaemonSet,
	// cgroup v2 says 0, and v1 says nothing.
	found := n > 0
	if !found && magic(dir) == unix.CGROUP_SUPER_MAGIC {
		if found, err = h.inhabited(path.Base(name), time.Now().Add(maxLook)); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%s is empty: the container's process is in another cgroup", name)
	}
	return nil
}

// maxLook is how long a container's process is looked for. The runtime waits 2 s by default,
// and a node that is flooded with processes must not make it go on without the agent.
const maxLook = time.Second

// inhabited tells whether a process of the node is in the cgroup of this name in a
// hierarchy of v1 without controllers, which is systemd's; the names of containers' cgroups
// are unique. What is above it depends on the cgroup namespace that this process is in.
// The process that is looked for is young: the highest numbers come first.
func (h *Host) inhabited(name string, until time.Time) (bool, error) {
	fd, err := h.open("/proc", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return false, err
	}
	proc := os.NewFile(uintptr(fd), "/proc")
	defer closeFile(proc)
	entries, err := proc.Readdirnames(-1)
	if err != nil {
		return false, err
	}
	pids := make([]int, 0, len(entries))
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	for _, pid := range slices.Backward(pids) {
		if time.Now().After(until) {
			return false, fmt.Errorf("the container's process was not found in time among the node's %d processes", len(pids))
		}
		text, err := h.read("/proc/" + strconv.Itoa(pid) + "/cgroup")
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(text) {
			if _, rest, _ := strings.Cut(line, ":name=systemd:"); path.Base(strings.TrimSuffix(rest, "\n")) == name {
				return true, nil
			}
		}
	}
	return false, nil
}
