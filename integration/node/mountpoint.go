// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// mountpoint is a directory of the host that the node mounts over in its own mount
// namespace. It has to exist on the host, where another containerd may own it.
type mountpoint struct {
	path string
	lock *os.File
}

// madeByNode marks a directory that a node made, so that the last node that uses it
// removes it: not always the one that made it.
const madeByNode = "trusted.nodegate.node"

// needMountpoint makes the directory unless it is there, and holds a shared lock on it
// that says to other nodes that it is used.
func needMountpoint(path string) (*mountpoint, error) {
	for {
		err := os.Mkdir(path, 0o711)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("making a mount point for the node: %w", err)
		}
		m, made := &mountpoint{path: path}, err == nil
		if m.lock, err = os.Open(path); errors.Is(err, fs.ErrNotExist) {
			continue // another node removed it just now
		} else if err != nil {
			return nil, fmt.Errorf("opening a mount point of the node: %w", err)
		}
		if err := unix.Flock(int(m.lock.Fd()), unix.LOCK_SH); err != nil {
			m.lock.Close()
			return nil, fmt.Errorf("locking %q: %w", path, err)
		}
		if m.current() {
			if made {
				// Where the file system has no attributes the directory stays, empty.
				_ = unix.Fsetxattr(int(m.lock.Fd()), madeByNode, []byte("1"), 0)
			}
			return m, nil
		}
		m.lock.Close()
	}
}

// current is false where the locked directory was removed before it was locked.
func (m *mountpoint) current() bool {
	locked, err1 := m.lock.Stat()
	there, err2 := os.Stat(m.path)
	return err1 == nil && err2 == nil && os.SameFile(locked, there)
}

// release removes the directory if a node made it and no other node uses it. Removing a directory takes off what is mounted on it in every namespace: an empty one
// may be in use.
func (m *mountpoint) release() {
	defer m.lock.Close()
	if _, err := unix.Fgetxattr(int(m.lock.Fd()), madeByNode, nil); err != nil {
		return
	}
	if unix.Flock(int(m.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = os.Remove(m.path) // not empty: in use by something else
	}
}
