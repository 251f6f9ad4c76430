// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// probePrefix begins the names of nodes that check makes. No container id
// begins with a dot.
const probePrefix = ".probe-"

const nodevRemedy = "name a directory on a mount without nodev, such as one below /dev"

// check finds out whether device nodes work in the shadow directory, by making
// one. It leaves nothing behind.
func (s *Shadows) check() error {
	defer s.prune()
	var err error
	for range maxTries {
		err = s.probe()
		if !raced(err) {
			break
		}
	}
	var typed *ShadowDirError
	if err != nil && !errors.As(err, &typed) {
		return s.unusable(err, "device nodes cannot be made there", "give the agent CAP_MKNOD and write access to the directory, or name another one")
	}
	return err
}

func (s *Shadows) probe() error {
	fd, err := s.open(len(s.levels), true)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return fmt.Errorf("reading the mount flags: %w", err)
	}
	switch {
	case st.Flags&unix.ST_RDONLY != 0:
		return s.unusable(nil, "it is mounted read-only", "mount it read-write for the agent")
	case st.Flags&unix.ST_NODEV != 0:
		return s.unusable(nil, "its mount has the option nodev, so device nodes do not open there", nodevRemedy)
	}
	return s.probeNode(fd)
}

// probeNode makes and opens a node like /dev/null. A mount flag is not all
// that matters: file systems that were mounted in a user namespace hold no
// device nodes either.
func (s *Shadows) probeNode(dir int) error {
	made := false
	err := nodeIn(dir, unix.S_IFCHR|0o400, unix.Mkdev(1, 3), func(node string) error {
		made = true
		fd, err := unix.Open(node, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case errors.Is(err, unix.EACCES):
			return s.unusable(err, "device nodes do not open there", nodevRemedy)
		case errors.Is(err, unix.EPERM):
			return nil // the device cgroup, which Confinement asks about
		case err != nil:
			return fmt.Errorf("opening a device node: %w", err)
		}
		return unix.Close(fd)
	})
	if made || !errors.Is(err, unix.EPERM) {
		return err
	}
	return s.mayNotMake(fmt.Errorf("mknod c 1:3: %w", unix.EPERM))
}

// mayNotMake says why the kernel lets nobody here make a node like /dev/null.
func (s *Shadows) mayNotMake(err error) error {
	switch {
	case inUserNamespace():
		return s.unusable(err, "the agent is in a user namespace, where the kernel lets nobody make device nodes",
			"run it, and the node if that is a container, without one")
	case !hasCapability(unix.CAP_MKNOD):
		return s.unusable(err, "the agent may not make device nodes", "run it as root of the node, with CAP_MKNOD")
	}
	return s.unusable(err, "the device cgroup of the agent or the node denies even /dev/null",
		`allow devices where it is started: "nodegate render systemd" prints the properties for systemd`)
}

// withNode makes a node of a device number in the shadow directory, calls f with
// a path to it, and removes it.
func (s *Shadows) withNode(kind string, number uint64, f func(node string) error) error {
	dir, err := s.open(len(s.levels), true)
	if err != nil {
		return err
	}
	defer s.prune()
	defer closeFD(dir)
	mode := uint32(unix.S_IFCHR)
	if kind == "b" {
		mode = unix.S_IFBLK
	}
	return nodeIn(dir, mode|0o600, number, f)
}

// nodeIn is withNode in an open directory.
func nodeIn(dir int, mode uint32, number uint64, f func(node string) error) error {
	name := fmt.Sprintf("%s%d", probePrefix, os.Getpid())
	if err := ignoreGone(unix.Unlinkat(dir, name, 0)); err != nil {
		return fmt.Errorf("removing an earlier probe: %w", err)
	}
	if err := unix.Mknodat(dir, name, mode, int(number)); err != nil {
		return fmt.Errorf("mknod: %w", err)
	}
	defer func() { _ = unix.Unlinkat(dir, name, 0) }()
	return f(descriptorPath(dir) + "/" + name)
}

// inUserNamespace reports whether this process is in another user namespace
// than the machine's own, whose inode number is fixed: USER_NS_INIT_INO of
// https://github.com/torvalds/linux/blob/master/include/uapi/linux/nsfs.h
func inUserNamespace() bool {
	var st unix.Stat_t
	err := unix.Stat("/proc/self/ns/user", &st)
	return err == nil && st.Ino != 0xEFFFFFFD
}

// hasCapability reports whether a capability is effective.
func hasCapability(c uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[c/32].Effective&(1<<(c%32)) != 0
}
