// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// release is containerd's version as far as its configuration depends on it.
type release struct{ major, minor int }

func (r release) before(major, minor int) bool {
	return r.major < major || r.major == major && r.minor < minor
}

func (r release) String() string { return fmt.Sprintf("%d.%d", r.major, r.minor) }

// configVersion is the newest format of the configuration that the release reads.
func (r release) configVersion() int64 {
	switch {
	case r.before(2, 0):
		return 2
	case r.before(2, 3):
		return 3
	}
	return 4
}

// mergesImports is false where an import replaces the whole table of a plugin.
func (r release) mergesImports() bool { return !r.before(2, 0) }

// hasValidator is about NRI 0.10.
func (r release) hasValidator() bool { return !r.before(2, 2) }

// Distributions add to a version: "1.7.24~ds1", "v2.1.5-k3s1".
var versionPattern = regexp.MustCompile(`^(?:containerd \S+ )?v?(\d{1,4})\.(\d{1,4})(?:[^\d].*)?$`)

// parseRelease reads a version, or the answer to containerd --version.
func parseRelease(s string) (release, error) {
	m := versionPattern.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return release{}, fmt.Errorf(`%q is no version of containerd: write --containerd-version 2.2.1, say`, s)
	}
	r := release{}
	r.major, _ = strconv.Atoi(m[1]) // four digits at most
	r.minor, _ = strconv.Atoi(m[2])
	if r.before(1, 7) || r.major > 2 {
		return r, fmt.Errorf("containerd %s is not known: 1.7 and 2.x are", r)
	}
	return r, nil
}

// containerdVersion asks the node's containerd, which is run as the host's root: only
// a program that nobody else can exchange is.
func (t Tree) containerdVersion(ctx context.Context, programs []string) (release, error) {
	for _, name := range programs {
		program, err := t.program(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return release{}, fmt.Errorf("looking for containerd: %w: or say its version by --containerd-version", err)
		}
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, "--version")
		if t.root != "/" {
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: t.root}
			cmd.Dir = "/"
		}
		out, err := cmd.Output()
		if err != nil {
			return release{}, fmt.Errorf("asking %s for its version: %w: say it by --containerd-version", program, err)
		}
		return parseRelease(string(out))
	}
	return release{}, fmt.Errorf("there is no containerd in %s: say which it is by --containerd-version", strings.Join(programs, ", "))
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
