// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tempPrefix begins the name of a record that is being written. No container
// id begins with a dot.
const tempPrefix = ".new-"

// tempAge is how old a temporary file must be to be a leftover. Writing takes
// less than a millisecond.
const tempAge = time.Minute

// Write writes a record, in place of the container's earlier one. Readers see
// the one or the other, whole. It does not wait for the disk: /run does not
// outlive the machine's memory, nor do containers.
func (s *Store) Write(r Record) error {
	data, err := r.encode()
	if err == nil {
		err = s.write(r.ContainerID+suffix, data)
	}
	if err != nil {
		return fmt.Errorf("writing the decision record %s: %w", s.Path(r.ContainerID), err)
	}
	return nil
}

func (s *Store) write(name string, data []byte) error {
	dir, err := s.open(true)
	if err != nil {
		return err
	}
	defer closeFD(dir)
	unique, err := nonce()
	if err != nil {
		return err
	}
	temp := tempPrefix + unique
	if err := writeFile(dir, temp, data); err != nil {
		return errors.Join(err, ignoreGone(unix.Unlinkat(dir, temp, 0)))
	}
	if err := unix.Renameat(dir, temp, dir, name); err != nil {
		return errors.Join(&os.PathError{Op: "rename", Path: temp, Err: err}, ignoreGone(unix.Unlinkat(dir, temp, 0)))
	}
	return nil
}

func writeFile(dir int, name string, data []byte) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "create", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(data)
	// The umask may have taken bits away.
	return errors.Join(err, f.Chmod(0o600), f.Close())
}

// Remove removes a container's record and its acknowledgement. That there is
// none is no error.
func (s *Store) Remove(containerID string) error {
	if err := checkID(containerID); err != nil {
		return fmt.Errorf("removing a decision record: %w", err)
	}
	dir, err := s.open(false)
	if err == nil {
		defer closeFD(dir)
		err = errors.Join(ignoreGone(unix.Unlinkat(dir, containerID+suffix, 0)),
			ignoreGone(unix.Unlinkat(dir, containerID+ackSuffix, 0)))
	}
	if ignoreGone(err) != nil {
		return fmt.Errorf("removing the decision record of container %q: %w", containerID, err)
	}
	return nil
}

// Sweep removes the records and acknowledgements of containers that are gone,
// and temporary files of writers that died. live tells whether a container exists; one that is
// being created must count, so sweep while the runtime creates none (NRI's
// Synchronize). It returns the container ids and goes on after an error.
func (s *Store) Sweep(live func(containerID string) bool) (removed []string, err error) {
	dir, err := s.open(false)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sweeping decision records: %w", err)
	}
	defer closeFD(dir)
	ids, err := recordsIn(dir)
	problems := []error{err, sweepTemps(dir), sweepAcks(dir, live)}
	for _, id := range ids {
		if live(id) {
			continue
		}
		if err := unix.Unlinkat(dir, id+suffix, 0); ignoreGone(err) != nil {
			problems = append(problems, fmt.Errorf("removing the decision record of container %q: %w", id, err))
			continue
		}
		removed = append(removed, id)
	}
	return removed, errors.Join(problems...)
}

func sweepTemps(dir int) error {
	names, err := namesIn(dir)
	problems := []error{err}
	for _, name := range names {
		var st unix.Stat_t
		if !strings.HasPrefix(name, tempPrefix) || unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		if time.Since(time.Unix(st.Mtim.Unix())).Abs() > tempAge { // or from before the clock was set back
			problems = append(problems, ignoreGone(unix.Unlinkat(dir, name, 0)))
		}
	}
	return errors.Join(problems...)
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
