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
	name := fmt.Sprintf("%s%d", probePrefix, os.Getpid())
	if err := ignoreGone(unix.Unlinkat(dir, name, 0)); err != nil {
		return fmt.Errorf("removing an earlier probe: %w", err)
	}
	err := unix.Mknodat(dir, name, unix.S_IFCHR|0o400, int(unix.Mkdev(1, 3)))
	if errors.Is(err, unix.EPERM) {
		return s.unusable(err, "the agent may not make device nodes", "run it as root of the node, not of a user namespace, with CAP_MKNOD")
	}
	if err != nil {
		return fmt.Errorf("mknod: %w", err)
	}
	defer func() { _ = unix.Unlinkat(dir, name, 0) }()
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EACCES):
		return s.unusable(err, "device nodes do not open there", nodevRemedy)
	case errors.Is(err, unix.EPERM):
		return nil // the agent's own device cgroup; it binds no other container
	case err != nil:
		return fmt.Errorf("opening a device node: %w", err)
	}
	return unix.Close(fd)
}
