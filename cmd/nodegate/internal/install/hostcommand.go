// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// command is the first of a host's programs that there is, to be run in the host's root.
// It runs as root, so only a program that nobody else can exchange will do. It is called
// by the name that was looked up: that of k3s is a link to a program that goes by it.
func (t Tree) command(ctx context.Context, programs []string, args ...string) (*exec.Cmd, error) {
	for _, name := range programs {
		program, err := t.program(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Args[0] = name
		if t.root != "/" {
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: t.root}
			cmd.Dir = "/"
		}
		return cmd, nil
	}
	return nil, &fs.PathError{Op: "find", Path: strings.Join(programs, ", "), Err: fs.ErrNotExist}
}

// program finds a program that root alone can have put there.
func (t Tree) program(name string) (string, error) {
	d, base, err := t.resolve(name)
	if err != nil {
		return "", err
	}
	defer d.close()
	found := path.Join(d.path, base)
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return "", &fs.PathError{Op: "stat", Path: found, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", fmt.Errorf("%s is not a program", found)
	}
	return found, trustedMode(&st, found)
}

// why adds to an error of starting a host's program what a container has to have for it.
func why(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w (in a container this takes the capability SYS_CHROOT)", err)
	}
	return err
}
