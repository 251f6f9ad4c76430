// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// ackSuffix ends the name of an acknowledgement. It is not the end of a
// record's name, whatever the container's id.
const ackSuffix = ".ack"

// Acknowledge notes that the record with the nonce has been carried out. It is
// the wrapper's last step before it runs the real runtime.
func (s *Store) Acknowledge(containerID, nonce string) error {
	err := checkID(containerID)
	if err == nil {
		err = s.write(containerID+ackSuffix, []byte(nonce+"\n"))
	}
	if err != nil {
		return fmt.Errorf("acknowledging the decision record of container %q: %w", containerID, err)
	}
	return nil
}

// Acknowledged reports whether the record with the nonce has been carried out.
// An acknowledgement of another record of that container does not count.
func (s *Store) Acknowledged(containerID, nonce string) (bool, error) {
	if err := checkID(containerID); err != nil {
		return false, fmt.Errorf("reading an acknowledgement: %w", err)
	}
	dir, err := s.open(false)
	var data []byte
	if err == nil {
		defer closeFD(dir)
		name := containerID + ackSuffix
		data, err = readFile(dir, name, path.Join(s.stateDir, folder, name))
	}
	if ignoreGone(err) != nil {
		return false, fmt.Errorf("reading the acknowledgement of container %q: %w", containerID, err)
	}
	return err == nil && nonce != "" && string(data) == nonce+"\n", nil
}

// sweepAcks removes the acknowledgements of containers that are gone.
func sweepAcks(dir int, live func(containerID string) bool) error {
	names, err := namesIn(dir)
	problems := []error{err}
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, ackSuffix); ok && checkID(id) == nil && !live(id) {
			problems = append(problems, ignoreGone(unix.Unlinkat(dir, name, 0)))
		}
	}
	return errors.Join(problems...)
}
