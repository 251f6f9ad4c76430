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

// hostPath is where a host's programs are looked for by name.
const hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin"

// Command is one of a host's programs, to be run in the host's root: the first of the
// names that there is, found in the usual folders unless it has a path. It runs as root,
// so only a program that nobody else can exchange will do.
func (t Tree) Command(ctx context.Context, names []string, args ...string) (*exec.Cmd, error) {
	for _, name := range names {
		candidates := []string{name}
		if !path.IsAbs(name) {
			candidates = nil
			for folder := range strings.SplitSeq(hostPath, ":") {
				candidates = append(candidates, path.Join(folder, name))
			}
		}
		for _, candidate := range candidates {
			program, err := t.program(candidate)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			return t.command(ctx, program, args), nil
		}
	}
	return nil, &fs.PathError{Op: "find", Path: strings.Join(names, ", "), Err: fs.ErrNotExist}
}

func (t Tree) command(ctx context.Context, program string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	if t.root != "/" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: t.root}
		cmd.Dir = "/"
		// The container's environment says nothing of the host. systemctl does nothing in
		// a chroot unless it is told that this one is the host.
		cmd.Env = []string{"PATH=" + hostPath, "LC_ALL=C", "SYSTEMD_IGNORE_CHROOT=1"}
	}
	return cmd
}

// At is the host whose root is there.
func At(root string) Tree { return Tree{root} }

// RunsSystemd is what sd_booted(3) tests.
func (t Tree) RunsSystemd() bool {
	d, err := t.open("/run/systemd/system", nil)
	if err != nil {
		return false
	}
	d.close()
	return true
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
