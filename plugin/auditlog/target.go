// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// target is where lines go. One goroutine at a time writes to it.
type target struct {
	name string   // "stderr" or a path
	file *os.File // nil until the first line
	torn bool     // the last line has no end: a full disk took a part of it
}

// write appends a line. Another agent, as in a rolling update, may write to the same
// file: the kernel appends each line by itself.
func (t *target) write(line []byte) error {
	if t.name == "stderr" {
		_, err := os.Stderr.Write(line)
		return err
	}
	if err := t.open(); err != nil {
		return err
	}
	if t.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := t.file.Write(line)
	t.torn = err != nil && (n > 0 || t.torn)
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
	// O_NONBLOCK keeps the opening of a FIFO from waiting for a reader.
	f, err := os.OpenFile(t.name, os.O_APPEND|os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
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

func (t *target) close() {
	if t != nil && t.file != nil {
		_ = t.file.Close() // each write was checked
		t.file, t.torn = nil, false
	}
}
