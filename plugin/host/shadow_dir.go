// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// open opens the first n levels of the shadow directory, and makes those that
// are missing if it may.
func (s *Shadows) open(n int, create bool) (int, error) {
	fd, err := unix.Open(s.root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening host_root %q: %w", s.root, err)
	}
	for i := range n {
		next, err := s.enter(fd, i, create)
		closeFD(fd)
		if err != nil {
			return -1, err
		}
		fd = next
	}
	return fd, nil
}

// enter opens one level below its open parent.
func (s *Shadows) enter(parent, i int, create bool) (int, error) {
	at := s.path(i)
	fd, err := openDir(parent, s.levels[i])
	if create && errors.Is(err, unix.ENOENT) {
		fd, err = makeDir(parent, s.levels[i], 0, dirMode)
	}
	switch {
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return -1, s.unusable(err, at+" is a symbolic link or no directory", "write the path of a real directory as shadow_dir")
	case errors.Is(err, unix.EROFS):
		return -1, s.unusable(err, at+" cannot be made on a read-only mount", "mount shadow_dir read-write for the agent")
	case err != nil:
		return -1, fmt.Errorf("opening %s of the shadow directory: %w", at, err)
	}
	if err := s.inspect(fd, i); err != nil {
		closeFD(fd)
		return -1, err
	}
	return fd, nil
}

// inspect makes sure that a level lets containers pass and that nobody but
// root can exchange what is in it. The last one is this program's own, so it
// is set right; what others made is theirs to change.
func (s *Shadows) inspect(fd, i int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("reading the owner of %s: %w", s.path(i), err)
	}
	mode, at := st.Mode&0o7777, s.path(i)
	if st.Uid != 0 {
		return s.unusable(nil, fmt.Sprintf("%s belongs to uid %d", at, st.Uid), "chown it to root")
	}
	if i == len(s.levels)-1 {
		if mode == dirMode {
			return nil
		}
		if err := unix.Fchmod(fd, dirMode); err != nil {
			return s.unusable(err, fmt.Sprintf("%s has mode %04o", at, mode), "chmod it to 0711")
		}
		return nil
	}
	switch {
	// In a sticky directory, root's own entries are safe.
	case mode&0o022 != 0 && mode&unix.S_ISVTX == 0:
		return s.unusable(nil, fmt.Sprintf("%s has mode %04o, so that others can write in it", at, mode), "chmod go-w it")
	case mode&0o001 == 0:
		return s.unusable(nil, fmt.Sprintf("%s has mode %04o, which containers with a user namespace cannot pass", at, mode), "chmod o+x it, or remove it if it is not in use")
	}
	return nil
}

// path returns a level's path on the node.
func (s *Shadows) path(i int) string { return "/" + path.Join(s.levels[:i+1]...) }

// prune removes the empty directories that this program made: the shadow
// directory, and those above it whose mode is the one that it gives, which is
// unusual enough to tell. Create makes them again.
func (s *Shadows) prune() {
	for i := len(s.levels) - 1; i >= 0; i-- {
		parent, err := s.open(i, false)
		if err != nil {
			return
		}
		err = s.pruneLevel(parent, i)
		closeFD(parent)
		if err != nil {
			return
		}
	}
}

func (s *Shadows) pruneLevel(parent, i int) error {
	var st unix.Stat_t
	err := unix.Fstatat(parent, s.levels[i], &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil // another agent was faster
	}
	if err != nil {
		return err
	}
	if st.Mode&0o7777 != dirMode || st.Uid != 0 {
		return errors.New("not made by this program")
	}
	return ignoreGone(unix.Unlinkat(parent, s.levels[i], unix.AT_REMOVEDIR))
}

// ShadowDirError says why shadow nodes cannot be had in a directory, and what
// would help.
type ShadowDirError struct {
	Dir     string // shadow_dir
	Problem string
	Remedy  string
	Err     error // the system call's, or nil
}

func (e *ShadowDirError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "shadow_dir %q: %s", e.Dir, e.Problem)
	if e.Err != nil {
		fmt.Fprintf(&b, " (%s)", e.Err)
	}
	fmt.Fprintf(&b, ": %s", e.Remedy)
	return b.String()
}

// Unwrap returns the system call's error.
func (e *ShadowDirError) Unwrap() error { return e.Err }

func (s *Shadows) unusable(err error, problem, remedy string) error {
	return &ShadowDirError{Dir: s.dir, Problem: problem, Remedy: remedy, Err: err}
}
