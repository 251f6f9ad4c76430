// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// readAll reads a regular file in a directory, or unix.AT_FDCWD. It follows no
// link in the last place and does not wait for the other end of a FIFO. st, if
// not nil, becomes what the file is.
func readAll(dir int, name string, limit int64, st *unix.Stat_t) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%q is a symbolic link", name)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	_ = unix.SetNonblock(fd, false) // else an os.File sets up epoll first
	f := os.NewFile(uintptr(fd), name)
	defer func() { _ = f.Close() }()
	if st == nil {
		st = new(unix.Stat_t)
	}
	switch err := unix.Fstat(fd, st); {
	case err != nil:
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, fmt.Errorf("%q is not a regular file", name)
	case st.Size > limit:
		return nil, fmt.Errorf("%q has %d bytes, more than the %d that are sensible", name, st.Size, limit)
	}
	data := make([]byte, st.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("reading %q: %w", name, err)
	}
	return data, nil
}

// staged are new files that wait for all of them to be written: a full disk
// then leaves everything as it was. The disk is not waited for; a bundle does
// not outlive the machine.
type staged struct {
	dir   int
	files []stagedFile
}

type stagedFile struct{ temp, name string }

// write writes a file beside the one that it is to replace, with the owner and
// the permission bits given.
func (s *staged) write(name string, data []byte, like *unix.Stat_t) error {
	temp := path.Join(path.Dir(name), "."+path.Base(name)+".nodegate-"+strconv.Itoa(os.Getpid()))
	// A wrapper with the same process id that was killed may have left one.
	if err := unix.Unlinkat(s.dir, temp, 0); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EROFS) {
		return &fs.PathError{Op: "remove", Path: temp, Err: err}
	}
	fd, err := unix.Openat(s.dir, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &fs.PathError{Op: "create", Path: temp, Err: err}
	}
	s.files = append(s.files, stagedFile{temp, name})
	f := os.NewFile(uintptr(fd), temp)
	_, err = f.Write(data)
	if err == nil && (int(like.Uid) != os.Geteuid() || int(like.Gid) != os.Getegid()) {
		err = f.Chown(int(like.Uid), int(like.Gid))
	}
	if err == nil {
		// After chown, which clears set-id bits; and past the umask.
		err = unix.Fchmod(fd, like.Mode&0o7777)
	}
	return errors.Join(err, f.Close())
}

// commit puts the files into their places.
func (s *staged) commit() error {
	for len(s.files) > 0 {
		f := s.files[0]
		if err := unix.Renameat(s.dir, f.temp, s.dir, f.name); err != nil {
			return &fs.PathError{Op: "rename", Path: f.temp, Err: err}
		}
		s.files = s.files[1:]
	}
	return nil
}

// discard removes what was not committed.
func (s *staged) discard() {
	for _, f := range s.files {
		_ = unix.Unlinkat(s.dir, f.temp, 0) // it is an error's aftermath already
	}
}
