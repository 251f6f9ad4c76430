// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

const (
	// dirMode lets mapped ids pass to their containers' directories, and only
	// root see which there are.
	dirMode = 0o711
	// containerDirMode lets the container's own root pass to the nodes, which
	// owns them and may give them any mode.
	containerDirMode = 0o710
)

// containerLabel is the SELinux type that container processes may use, of no
// category, so that every container's may: access is by the mount and the
// device cgroup. container_file_t is what runtimes label their own nodes with.
const containerLabel = "system_u:object_r:container_file_t:s0"

// makeNode makes one node in an open directory. Its name is taken at no time
// by a node that is open to more than what was asked for: it has no permission
// bits before it has its owner.
func makeNode(dir int, n *policy.ShadowNode, label string) error {
	name, mode := path.Base(n.Path), uint32(unix.S_IFCHR)
	if n.Type == "b" {
		mode = unix.S_IFBLK
	}
	fail := func(op string, err error) error { return &os.PathError{Op: op, Path: n.Path, Err: err} }

	if err := unix.Mknodat(dir, name, mode, int(unix.Mkdev(uint32(n.Major), uint32(n.Minor)))); err != nil {
		return fail("mknod", err)
	}
	if label != "" {
		// There is no setxattrat(2) before Linux 6.13.
		at := descriptorPath(dir) + "/" + name
		if err := unix.Lsetxattr(at, "security.selinux", append([]byte(label), 0), 0); err != nil {
			return fail("setting the SELinux label of", err)
		}
	}
	if err := unix.Fchownat(dir, name, int(n.UID), int(n.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fail("chown", err)
	}
	// fchmodat(2) follows links, but only root could have put one here.
	if err := unix.Fchmodat(dir, name, uint32(n.Mode.Perm()), 0); err != nil {
		return fail("chmod", err)
	}
	return nil
}

// makeDir makes a directory of root's, with the same mode under any umask, and
// opens it.
func makeDir(parent int, name string, group, mode uint32) (int, error) {
	if err := unix.Mkdirat(parent, name, mode); err != nil {
		return -1, &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	fd, err := openDir(parent, name)
	if err != nil {
		return -1, err
	}
	fail := func(op string, err error) error {
		closeFD(fd)
		return errors.Join(&os.PathError{Op: op, Path: name, Err: err},
			ignoreGone(unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)))
	}
	if err := unix.Fchown(fd, 0, int(group)); err != nil {
		return -1, fail("chown", err)
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return -1, fail("chmod", err)
	}
	return fd, nil
}

func openDir(parent int, name string) (int, error) {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

// removeTree removes a container's directory, or whatever has its name. That
// there is none is no error.
func removeTree(parent int, name string) error {
	fd, err := openDir(parent, name)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return ignoreGone(unix.Unlinkat(parent, name, 0))
	case err != nil:
		return err
	}
	defer closeFD(fd)
	return errors.Join(removeEntries(fd), ignoreGone(unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)))
}

// removeEntries empties an open directory of nodes and live directories.
func removeEntries(dir int) error {
	names, err := namesIn(dir)
	for _, name := range names {
		gone := ignoreGone(unix.Unlinkat(dir, name, 0))
		if errors.Is(gone, unix.EISDIR) && strings.HasPrefix(name, livePrefix) {
			gone = removeTree(dir, name)
		}
		if gone != nil {
			err = errors.Join(err, fmt.Errorf("removing %q: %w", name, gone))
		}
	}
	return err
}

// namesIn lists an open directory, which stays open.
func namesIn(dir int) ([]string, error) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil // it was removed, so it is empty
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), ".")
	defer closeFile(f)
	return f.Readdirnames(-1)
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// shadowLabel returns the label that nodes need on this node, "" where SELinux
// is off. The kernel registers selinuxfs only if it is on, which shows in
// /proc also to an agent that is not given the node's /sys.
func shadowLabel(root string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(path.Join(root, "sys/fs/selinux"), &st); err == nil && uint32(st.Type) == unix.SELINUX_MAGIC {
		return containerLabel
	}
	known, err := os.ReadFile(path.Join(root, "proc/filesystems"))
	if err == nil && bytes.Contains(known, []byte("\tselinuxfs\n")) {
		return containerLabel
	}
	return ""
}
