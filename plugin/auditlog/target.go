// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// target is where lines go. One goroutine at a time writes to it.
type target struct {
	name string   // "stderr" or a path
	file *os.File // nil until the first line
}

// write appends a line, whole or not at all.
func (t *target) write(line []byte) error {
	if t.name == "stderr" {
		_, err := os.Stderr.Write(line)
		return err
	}
	if err := t.open(); err != nil {
		return err
	}
	locked := lock(t.file)
	if locked {
		defer unlock(t.file)
	}
	info, err := t.file.Stat()
	if err == nil {
		err = endLine(t.file, info.Size())
	}
	if err != nil {
		return err
	}
	n, err := t.file.Write(line)
	if err == nil {
		return nil
	}
	if n > 0 && locked { // a full disk takes part of a line
		err = errors.Join(err, t.file.Truncate(info.Size()))
	}
	return err
}

// open opens the file that has the name now: who rotates it moves it away, and
// may or may not have made another.
func (t *target) open() error {
	if t.file != nil {
		var have, named unix.Stat_t
		err1 := unix.Fstat(int(t.file.Fd()), &have)
		err2 := unix.Stat(t.name, &named)
		if err1 == nil && err2 == nil && have.Dev == named.Dev && have.Ino == named.Ino {
			return nil
		}
		t.close()
	}
	// O_NONBLOCK keeps the opening of a FIFO from waiting for a reader. To read
	// as well costs nothing, and tells a line's end.
	f, err := os.OpenFile(t.name, os.O_APPEND|os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("the audit log %s is not a regular file: remove it, or name another by log.audit", t.name)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return err
	}
	t.file = f
	return nil
}

// endLine ends a line that was left without an end: by another program, or by an
// agent that died within a full disk.
func endLine(f *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err := f.Write([]byte{'\n'})
	return err
}

// lock keeps another agent out, which writes to the same file during a rolling
// update: what one takes back must be its own. It does not wait long for one
// that was stopped while it had the lock.
func lock(f *os.File) bool {
	for range 20 {
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

func unlock(f *os.File) { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) } // cannot fail for one's own

func (t *target) close() {
	if t != nil && t.file != nil {
		_ = t.file.Close() // each write was checked
		t.file = nil
	}
}
