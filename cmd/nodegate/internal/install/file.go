// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

const (
	// textLimit is far above any configuration: containerd's default has 10 KiB.
	textLimit = 1 << 20
	// programLimit is far above any of our programs.
	programLimit = 256 << 20
)

// File is a regular file as it was read.
type File struct {
	Path     string // on the host, without links
	Data     []byte
	Mode     uint32 // permission bits
	UID, GID uint32
	stat     unix.Stat_t
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// Read reads a file; nil if there is none. It follows no link in the last place,
// waits for nothing, and reads no more than limit bytes.
func (t Tree) Read(name string, limit int64) (*File, error) {
	d, err := t.open(path.Dir(name), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.close()
	return d.read(path.Base(name), limit)
}

func (d *dir) read(base string, limit int64) (*File, error) {
	f := &File{Path: path.Join(d.path, base)}
	// Looked at first: opening alone starts some devices.
	err := unix.Fstatat(d.fd, base, &f.stat, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, nil
	case err != nil:
		return nil, &fs.PathError{Op: "stat", Path: f.Path, Err: err}
	case f.stat.Mode&unix.S_IFMT == unix.S_IFLNK:
		return nil, fmt.Errorf("%s is %w: name the file itself, or put the file in its place", f.Path, errLink)
	case f.stat.Mode&unix.S_IFMT == unix.S_IFDIR:
		return nil, fmt.Errorf("%s is a directory: name a file", f.Path)
	case f.stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, fmt.Errorf("%s is not a regular file", f.Path)
	case f.stat.Size > limit:
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that are sensible: see what it is", f.Path, f.stat.Size, limit)
	}
	fd, err := unix.Openat(d.fd, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: f.Path, Err: err}
	}
	r := os.NewFile(uintptr(fd), f.Path)
	defer func() { _ = r.Close() }()
	if err := unix.Fstat(fd, &f.stat); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: f.Path, Err: err}
	}
	if f.Data, err = io.ReadAll(io.LimitReader(r, limit+1)); err != nil {
		return nil, err
	}
	if f.stat.Mode&unix.S_IFMT != unix.S_IFREG || int64(len(f.Data)) > limit || int64(len(f.Data)) != f.stat.Size {
		return nil, fmt.Errorf("%s changes while it is read: try again", f.Path)
	}
	f.Mode, f.UID, f.GID = f.stat.Mode&0o7777, f.stat.Uid, f.stat.Gid
	return f, nil
}

var errLink = errors.New("a symbolic link")

// follow reads a file also behind links, as containerd reads what it imports.
func (t Tree) follow(name string) (*File, error) {
	d, base, err := t.resolve(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.close()
	return d.read(base, textLimit)
}

// resolve opens the directory of a file and returns its name there, behind all links.
func (t Tree) resolve(name string) (*dir, string, error) {
	for range maxLinks {
		d, err := t.open(path.Dir(name), nil)
		if err != nil {
			return nil, "", err
		}
		base := path.Base(name)
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(d.fd, base, buf)
		if err != nil { // no link, or nothing at all
			return d, base, nil
		}
		name = path.Clean(string(buf[:n]))
		if !path.IsAbs(name) {
			name = path.Join(d.path, name)
		}
		d.close()
	}
	return nil, "", fmt.Errorf("%s: too many symbolic links", name)
}

// changeable says why a file is better left alone.
func (f *File) changeable() error {
	switch {
	case f.Mode&0o200 == 0:
		return fmt.Errorf("%s is read-only (mode %04o): run chmod u+w if nodegate may change it", f.Path, f.Mode)
	case !ownUser(f.UID):
		return fmt.Errorf("%s belongs to uid %d: chown it to root", f.Path, f.UID)
	case f.Mode&0o002 != 0 || f.Mode&0o020 != 0 && f.GID != 0:
		return fmt.Errorf("%s has mode %04o, so that others can write it: chmod go-w it", f.Path, f.Mode)
	}
	return nil
}
