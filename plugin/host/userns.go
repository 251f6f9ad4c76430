// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// UserNamespace is a process in a user namespace of its own, for finding out
// what this kernel does there. Its root is the caller's own user.
type UserNamespace struct {
	cmd   *exec.Cmd
	stdin io.Closer
	fd    int
	nodes ChildNodes
}

// ChildNodes is what mknod(2) answered in a user namespace, on a tmpfs of its
// own: 0 where the node was made.
type ChildNodes struct {
	Device   unix.Errno `json:"device"`   // character device 1:3, as /dev/null is
	Whiteout unix.Errno `json:"whiteout"` // character device 0:0, which overlayfs uses
}

// NewUserNamespace makes a user namespace. child is this program's own command
// line for what calls [ServeUserNamespace]. Close ends it; ctx does too.
func NewUserNamespace(ctx context.Context, child ...string) (*UserNamespace, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = child
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("making a user namespace: %w", err)
	}
	u := &UserNamespace{cmd: cmd, stdin: stdin, fd: -1}
	err = json.NewDecoder(io.LimitReader(stdout, 4096)).Decode(&u.nodes)
	if err == nil {
		u.fd, err = unix.Open("/proc/"+strconv.Itoa(cmd.Process.Pid)+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		_ = u.Close()
		return nil, fmt.Errorf("asking a process in a user namespace: %w", err)
	}
	return u, nil
}

// Mknod tells what came of mknod(2) there.
func (u *UserNamespace) Mknod() ChildNodes { return u.nodes }

// Close ends the user namespace.
func (u *UserNamespace) Close() error {
	if u.fd >= 0 {
		closeFD(u.fd)
	}
	_ = u.stdin.Close() // the child ends by this
	return u.cmd.Wait()
}

// IDMap finds out whether mounts of a directory's file system can be id-mapped,
// by id-mapping one that is attached nowhere and gone when this returns. An
// error says what the kernel answered.
func (u *UserNamespace) IDMap(dir string) error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open_tree: %w", err)
	}
	return u.idMap(fd)
}

// IDMapTmpfs is IDMap for a new tmpfs, such as the kubelet makes for secrets.
func (u *UserNamespace) IDMapTmpfs() error {
	fd, err := newTmpfs()
	if err != nil {
		return err
	}
	return u.idMap(fd)
}

func (u *UserNamespace) idMap(mount int) error {
	defer closeFD(mount)
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(u.fd)}
	if err := unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH, attr); err != nil {
		return fmt.Errorf("mount_setattr: %w", err)
	}
	return nil
}

// ServeUserNamespace is the process in the user namespace: it tries mknod(2),
// says what came of it, and stays until its standard input ends.
func ServeUserNamespace(in io.Reader, out io.Writer) error {
	dir, err := newTmpfs()
	if err != nil {
		return err
	}
	defer closeFD(dir)
	nodes := ChildNodes{
		Device:   mknodErrno(dir, "device", unix.Mkdev(1, 3)),
		Whiteout: mknodErrno(dir, "whiteout", 0),
	}
	if err := json.NewEncoder(out).Encode(nodes); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func mknodErrno(dir int, name string, dev uint64) unix.Errno {
	err := unix.Mknodat(dir, name, unix.S_IFCHR|0o600, int(dev))
	var errno unix.Errno
	errors.As(err, &errno)
	return errno
}

// newTmpfs makes a tmpfs that is attached nowhere: it ends with its descriptor.
func newTmpfs() (int, error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen: %w", err)
	}
	defer closeFD(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("making a tmpfs: %w", err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("fsmount: %w", err)
	}
	return mount, nil
}
