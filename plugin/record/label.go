// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// labelName is the extended attribute that SELinux keeps a file's label in.
const labelName = "security.selinux"

// labelSize bounds a label; SELinux's own are some forty bytes.
const labelSize = 4096

// LabelLike gives the store the SELinux label of a directory that the runtime has made for
// itself: under any policy the runtime and the wrapper, which runs in the runtime's domain,
// may read what has it. Under Debian's policy they may not read what an agent makes in /run.
// What is made later has the label of the directory that it is made in. Where there is no
// SELinux, or the label is the same, it does nothing.
func (s *Store) LabelLike(dir string) error {
	fail := func(err error) error {
		return fmt.Errorf("giving decision records the SELinux label of %q: %w", dir, err)
	}
	label, err := labelOf(dir)
	if err != nil {
		return fail(err)
	}
	if label == nil {
		return nil
	}
	fd, err := s.open(true)
	if err != nil {
		return fail(err)
	}
	defer closeFD(fd)
	own, err := labelOf(s.stateDir)
	if err != nil {
		return fail(err)
	}
	if bytes.Equal(own, label) {
		return nil
	}
	// Before it is listed: what another agent adds from now on has the label.
	problems := []error{unix.Fsetxattr(fd, labelName, label, 0)}
	names, err := namesIn(fd)
	if err != nil {
		return fail(err)
	}
	folder := "/proc/self/fd/" + strconv.Itoa(fd)
	for _, name := range names {
		problems = append(problems, ignoreGone(unix.Lsetxattr(folder+"/"+name, labelName, label, 0)))
	}
	// Last: with its label all have theirs.
	problems = append(problems, unix.Setxattr(s.stateDir, labelName, label, 0))
	if err := errors.Join(problems...); err != nil {
		return fail(err)
	}
	return nil
}

// labelOf returns a directory's label, nil where files have none.
func labelOf(dir string) ([]byte, error) {
	buf := make([]byte, labelSize)
	n, err := unix.Getxattr(dir, labelName, buf)
	switch {
	case errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil
	case err != nil:
		return nil, &os.PathError{Op: "reading the label of", Path: dir, Err: err}
	}
	return buf[:n], nil
}
