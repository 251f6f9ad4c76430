// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Read returns a container's record. The error is fs.ErrNotExist if there is
// none, or can be none by such an id; any other says why the one that is there cannot be trusted.
func (s *Store) Read(containerID string) (Record, error) {
	if err := checkID(containerID); err != nil {
		return Record{}, fmt.Errorf("reading a decision record: %w: %w", err, fs.ErrNotExist)
	}
	dir, err := s.open(false)
	if err != nil {
		return Record{}, fmt.Errorf("reading the decision record of container %q: %w", containerID, err)
	}
	defer closeFD(dir)
	return s.read(dir, containerID)
}

func (s *Store) read(dir int, containerID string) (Record, error) {
	data, err := readFile(dir, containerID+suffix, s.Path(containerID))
	if err != nil {
		return Record{}, fmt.Errorf("reading the decision record of container %q: %w", containerID, err)
	}
	r, err := decode(data)
	if err != nil {
		return Record{}, fmt.Errorf("decision record %q: %w", s.Path(containerID), err)
	}
	if r.ContainerID != containerID {
		return Record{}, fmt.Errorf("decision record %q is for container %q", s.Path(containerID), r.ContainerID)
	}
	return r, nil
}

// readFile reads a regular file of root's. O_NONBLOCK keeps the opening of a
// FIFO from waiting for its other end.
func readFile(dir int, name, full string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%q is a symbolic link", full)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: full, Err: err}
	}
	_ = unix.SetNonblock(fd, false) // else an os.File sets up epoll first
	f := os.NewFile(uintptr(fd), full)
	defer closeFile(f)
	var st unix.Stat_t
	if err := trusted(fd, full, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%q is not a regular file", full)
	}
	if st.Size > maxSize {
		return nil, fmt.Errorf("%q has %d bytes, more than a record may have", full, st.Size)
	}
	// A file that grows meanwhile is cut, and does not decode.
	return io.ReadAll(io.LimitReader(f, maxSize))
}

// List returns the records that can be read, by container id. The error joins
// what is wrong with the others.
func (s *Store) List() ([]Record, error) {
	dir, err := s.open(false)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing decision records: %w", err)
	}
	defer closeFD(dir)
	ids, err := recordsIn(dir)
	problems := []error{err}
	var out []Record
	for _, id := range ids {
		r, err := s.read(dir, id)
		switch {
		case err == nil:
			out = append(out, r)
		case !errors.Is(err, unix.ENOENT): // removed meanwhile
			problems = append(problems, err)
		}
	}
	return out, errors.Join(problems...)
}

// Count returns how many records there are, without reading them.
func (s *Store) Count() (int, error) {
	dir, err := s.open(false)
	if errors.Is(err, unix.ENOENT) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("counting decision records: %w", err)
	}
	defer closeFD(dir)
	ids, err := recordsIn(dir)
	return len(ids), err
}

// recordsIn returns the container ids that an open directory holds records
// of, sorted.
func recordsIn(dir int) ([]string, error) {
	names, err := namesIn(dir)
	var ids []string
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, suffix); ok && checkID(id) == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, err
}

func namesIn(dir int) ([]string, error) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("listing decision records: %w", err)
	}
	f := os.NewFile(uintptr(fd), folder)
	defer closeFile(f)
	return f.Readdirnames(-1)
}
