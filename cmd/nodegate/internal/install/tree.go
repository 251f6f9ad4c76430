// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is the kernel's own limit.
const maxLinks = 40

// Tree is a host's file system, seen at a directory: "/", or where it is mounted. All
// paths are the host's own, absolute ones.
//
// It is walked level by level. Links are followed as the host would follow them, and
// only out of directories in which nobody but root can exchange a name.
type Tree struct{ root string }

// dir is an open directory.
type dir struct {
	fd   int
	path string // on the host, without links
}

func (d *dir) close() { _ = unix.Close(d.fd) }

// open opens a directory. It makes those that are missing with mode 0755 if made is
// not nil, and adds their names to it.
func (t Tree) open(name string, made *[]string) (*dir, error) {
	for range maxLinks {
		d, link, err := t.walk(name, made)
		if err != nil || link == "" {
			return d, err
		}
		name = link
	}
	return nil, fmt.Errorf("%s: too many symbolic links", name)
}

// walk goes down until it meets a link; then it returns the path that results.
func (t Tree) walk(name string, made *[]string) (d *dir, link string, err error) {
	fd, err := unix.Open(t.root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", &fs.PathError{Op: "open", Path: t.root, Err: err}
	}
	at, levels := "/", strings.FieldsFunc(path.Clean("/"+name), func(r rune) bool { return r == '/' })
	for i, level := range levels {
		next, target, err := enter(fd, at, level, made)
		_ = unix.Close(fd)
		if err != nil {
			return nil, "", err
		}
		if target != "" {
			rest := path.Join(levels[i+1:]...)
			if path.IsAbs(target) {
				return nil, path.Join(target, rest), nil
			}
			return nil, path.Join(at, target, rest), nil
		}
		fd, at = next, path.Join(at, level)
	}
	d = &dir{fd, at}
	if err := trusted(fd, at); err != nil {
		d.close()
		return nil, "", err
	}
	return d, "", nil
}

// enter opens one level below its open parent, or reads the link that it is.
func enter(parent int, at, level string, made *[]string) (fd int, link string, err error) {
	here := path.Join(at, level)
	var st unix.Stat_t
	err = unix.Fstatat(parent, level, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) && made != nil {
		if err = trusted(parent, at); err == nil {
			err = unix.Mkdirat(parent, level, 0o755)
		}
		if err == nil {
			*made = append(*made, here)
			if err = unix.Fchmodat(parent, level, 0o755, 0); err == nil { // past the umask
				err = unix.Fstatat(parent, level, &st, unix.AT_SYMLINK_NOFOLLOW)
			}
		}
	}
	switch {
	case err != nil:
		return -1, "", &fs.PathError{Op: "open", Path: here, Err: err}
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		if err := trustedEntry(parent, at, &st); err != nil {
			return -1, "", err
		}
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(parent, level, buf)
		if err != nil || n == 0 {
			return -1, "", &fs.PathError{Op: "readlink", Path: here, Err: err}
		}
		return -1, string(buf[:n]), nil
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return -1, "", fmt.Errorf("%s is not a directory", here)
	}
	if err := trustedEntry(parent, at, &st); err != nil {
		return -1, "", err
	}
	fd, err = unix.Openat(parent, level, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, "", &fs.PathError{Op: "open", Path: here, Err: err}
	}
	return fd, "", nil
}

// trustedEntry refuses a name that somebody else can exchange. In a sticky directory
// that is not so for names of one's own.
func trustedEntry(parent int, at string, st *unix.Stat_t) error {
	var p unix.Stat_t
	if err := unix.Fstat(parent, &p); err != nil {
		return &fs.PathError{Op: "stat", Path: at, Err: err}
	}
	if p.Mode&unix.S_ISVTX != 0 && ownUser(p.Uid) && ownUser(st.Uid) {
		return nil
	}
	return trustedMode(&p, at)
}

// trusted refuses a directory in which others can exchange names.
func trusted(fd int, at string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: at, Err: err}
	}
	return trustedMode(&st, at)
}

func trustedMode(st *unix.Stat_t, at string) error {
	switch {
	case !ownUser(st.Uid):
		return fmt.Errorf("%s belongs to uid %d, who could exchange what is in it: chown it to root", at, st.Uid)
	case st.Mode&0o002 != 0 || st.Mode&0o020 != 0 && st.Gid != 0:
		return fmt.Errorf("%s has mode %04o, so that others can exchange what is in it: chmod go-w it", at, st.Mode&0o7777)
	}
	return nil
}

func ownUser(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// list returns the names in a directory, sorted; none if there is no such directory.
func (t Tree) list(name string) ([]string, error) {
	d, err := t.open(name, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(d.fd), d.path)
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// missing adds to a list the directories, from the top, that have to be made for one.
func (t Tree) missing(name string, list []string) []string {
	if slices.Contains(list, name) {
		return list
	}
	if d, err := t.open(name, nil); err == nil {
		d.close()
		return list
	} else if !errors.Is(err, fs.ErrNotExist) || name == "/" {
		return list // which making it will say
	}
	return append(t.missing(path.Dir(name), list), name)
}

// exists reports whether a path names something. What cannot be looked at counts as
// there: reading it says why.
func (t Tree) exists(name string) bool {
	d, err := t.open(path.Dir(name), nil)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer d.close()
	var st unix.Stat_t
	return !errors.Is(unix.Fstatat(d.fd, path.Base(name), &st, unix.AT_SYMLINK_NOFOLLOW), unix.ENOENT)
}
