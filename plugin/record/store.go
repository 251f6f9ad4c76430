// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// folder is the directory of records below state.dir.
const folder = "decisions"

// suffix ends the name of a record.
const suffix = ".json"

// Store is a directory of records. It is safe for concurrent use, by several
// programs at once too.
type Store struct{ stateDir string }

// Open names the store below state.dir, an absolute path as this program sees
// it. It touches nothing; directories come with the first record.
func Open(stateDir string) (*Store, error) {
	if !path.IsAbs(stateDir) {
		return nil, fmt.Errorf("state directory %q: write an absolute path", stateDir)
	}
	return &Store{stateDir: path.Clean(stateDir)}, nil
}

// Path returns where a container's record is.
func (s *Store) Path(containerID string) string {
	return path.Join(s.stateDir, folder, containerID+suffix)
}

// open opens the directory of records, and makes it if it may. It refuses one
// in which others than root could put a record, or could exchange all of them.
func (s *Store) open(create bool) (int, error) {
	if create {
		if err := os.MkdirAll(s.stateDir, 0o755); err != nil {
			return -1, err
		}
	}
	// Only the path's last part must be no link: /var/run is one everywhere.
	parent, err := openDir(unix.AT_FDCWD, s.stateDir, s.stateDir)
	if err != nil {
		return -1, err
	}
	defer closeFD(parent)
	full := path.Join(s.stateDir, folder)
	fd, err := openDir(parent, folder, full)
	if !create || !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	if err := unix.Mkdirat(parent, folder, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, &os.PathError{Op: "mkdir", Path: full, Err: err}
	}
	return openDir(parent, folder, full)
}

func openDir(parent int, name, full string) (int, error) {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: full, Err: err}
	}
	var st unix.Stat_t
	if err := trusted(fd, full, &st); err != nil {
		closeFD(fd)
		return -1, err
	}
	return fd, nil
}

// closeFD closes what was not written to, of which the error says nothing.
func closeFD(fd int) { _ = unix.Close(fd) }

func closeFile(f *os.File) { _ = f.Close() }

// trusted makes sure that only root can have written an open file.
func trusted(fd int, name string, st *unix.Stat_t) error {
	if err := unix.Fstat(fd, st); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if st.Uid != 0 {
		return fmt.Errorf("%q belongs to uid %d, not to root", name, st.Uid)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("%q has mode %04o: others than root can write it", name, st.Mode&0o7777)
	}
	return nil
}
