// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// Write is a file as it is and as it is to be. Now is nil where there is none, After
// where there is to be none.
type Write struct {
	Path       string
	Now, After *File
}

func (w *Write) changes() bool {
	if w.Now == nil || w.After == nil {
		return w.Now != w.After
	}
	return !bytes.Equal(w.Now.Data, w.After.Data) || w.Now.Mode != w.After.Mode || w.Now.UID != w.After.UID || w.Now.GID != w.After.GID
}

// staged is a write whose new file lies beside its place, on the disk.
type staged struct {
	*Write
	dir  *dir
	base string
	temp string // "" for a removal
}

// commit carries out writes, in their order: all of them or none. It returns the
// directories that it made.
func (t Tree) commit(writes []Write) (made []string, err error) {
	var all []*staged
	done := 0
	defer func() {
		if err != nil {
			err = errors.Join(err, t.rollBack(all[:done]))
		}
		for _, s := range all {
			if s.temp != "" {
				_ = unix.Unlinkat(s.dir.fd, s.temp, 0) // is gone already where it was renamed
			}
			s.dir.close()
		}
		if err != nil {
			t.prune(made)
			made = nil
		}
	}()
	for i := range writes {
		if !writes[i].changes() {
			continue
		}
		s, err := t.stage(&writes[i], &made)
		if err != nil {
			return made, err
		}
		all = append(all, s)
	}
	for _, s := range all {
		ok, err := s.place()
		if ok {
			done++
		}
		if err != nil {
			return made, err
		}
	}
	return made, nil
}

// stage writes the new file beside its place. Nothing is changed yet.
func (t Tree) stage(w *Write, made *[]string) (*staged, error) {
	if w.After == nil {
		made = nil
	}
	d, err := t.open(path.Dir(w.Path), made)
	if err != nil {
		return nil, writable(err, path.Dir(w.Path))
	}
	s := &staged{Write: w, dir: d, base: path.Base(w.Path)}
	if err := s.write(); err != nil {
		if s.temp != "" {
			_ = unix.Unlinkat(d.fd, s.temp, 0)
		}
		d.close()
		return nil, writable(err, d.path)
	}
	return s, nil
}

func (s *staged) write() error {
	if err := s.unchanged(); err != nil {
		return err
	}
	var now unix.Stat_t
	if s.Now != nil {
		if err := immutable(s.dir, s.base); err != nil {
			return err
		}
		now = s.Now.stat
	}
	if s.After == nil {
		return unix.Faccessat(s.dir.fd, ".", unix.W_OK, unix.AT_EACCESS)
	}
	s.temp = ".nodegate-" + rand.Text()
	fd, err := unix.Openat(s.dir.fd, s.temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		s.temp = ""
		return &fs.PathError{Op: "create a file in", Path: s.dir.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path.Join(s.dir.path, s.temp))
	_, err = f.Write(s.After.Data)
	if err == nil && (int(s.After.UID) != os.Geteuid() || int(s.After.GID) != os.Getegid()) {
		if err = f.Chown(int(s.After.UID), int(s.After.GID)); err != nil {
			err = fmt.Errorf("%w (in a container this takes the capability CHOWN)", err)
		}
	}
	if err == nil {
		err = unix.Fchmod(fd, s.After.Mode) // after chown, which clears set-id bits; past the umask
	}
	if err == nil && now.Ino != 0 {
		err = copyAttributes(s.dir, s.base, fd)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// place puts the new file into its place, if what is there is still what was read. It
// reports whether it did, also where the disk then fails.
func (s *staged) place() (done bool, err error) {
	if err := s.unchanged(); err != nil {
		return false, err
	}
	if s.After == nil {
		err = unix.Unlinkat(s.dir.fd, s.base, 0)
	} else {
		err = unix.Renameat(s.dir.fd, s.temp, s.dir.fd, s.base)
	}
	if err != nil {
		return false, writable(&fs.PathError{Op: "replace", Path: s.Path, Err: err}, s.dir.path)
	}
	return true, unix.Fsync(s.dir.fd)
}

func (s *staged) unchanged() error {
	var st unix.Stat_t
	err := unix.Fstatat(s.dir.fd, s.base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if s.Now == nil && errors.Is(err, unix.ENOENT) {
		return nil
	}
	if s.Now != nil && err == nil {
		was := s.Now.stat
		if st.Ino == was.Ino && st.Dev == was.Dev && st.Size == was.Size && st.Mtim == was.Mtim && st.Ctim == was.Ctim {
			return nil
		}
	}
	return fmt.Errorf("%s was changed by somebody else just now: try again", s.Path)
}

// rollBack puts the former files back, the last one first.
func (t Tree) rollBack(all []*staged) error {
	var errs []error
	for i := len(all) - 1; i >= 0; i-- {
		w := Write{Path: all[i].Path, After: all[i].Now}
		var err error
		if w.Now, err = all[i].dir.read(all[i].base, programLimit); err == nil {
			var s *staged
			if s, err = t.stage(&w, nil); err == nil {
				_, err = s.place()
				s.dir.close()
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s could not be put back as it was: %w", w.Path, err))
		}
	}
	return errors.Join(errs...)
}

// prune removes those of the directories that are empty, the deepest first. One that is
// not stays.
func (t Tree) prune(dirs []string) {
	for _, name := range slices.Backward(dirs) {
		if d, err := t.open(path.Dir(name), nil); err == nil {
			_ = unix.Unlinkat(d.fd, path.Base(name), unix.AT_REMOVEDIR)
			d.close()
		}
	}
}

// writable adds to an error what to do about it.
func writable(err error, at string) error {
	switch {
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%s is on a read-only file system: remount it read-write: %w", at, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s cannot be written: run this as root, and see that nothing there is immutable (lsattr): %w", at, err)
	}
	return err
}
