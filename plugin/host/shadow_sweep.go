// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// List returns the ids of the containers that have shadow nodes, sorted.
func (s *Shadows) List() ([]string, error) {
	parent, err := s.open(len(s.levels), false)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer closeFD(parent)
	names, err := namesIn(parent)
	if err != nil {
		return nil, fmt.Errorf("listing shadow nodes: %w", err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return checkID(name) != nil })
	slices.Sort(names)
	return names, nil
}

// Sweep removes the shadow nodes of containers that are gone, and directories
// that are empty then. live tells whether a container exists; a container that
// is being created must count as one, so sweep while the runtime creates none
// (NRI's Synchronize). It goes on after an error.
func (s *Shadows) Sweep(live func(containerID string) bool) (removed []string, err error) {
	defer s.prune()
	ids, err := s.List()
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, id := range ids {
		if live(id) {
			continue
		}
		if err := s.Remove(id); err != nil {
			problems = append(problems, err)
			continue
		}
		removed = append(removed, id)
	}
	return removed, errors.Join(append(problems, s.sweepProbes())...)
}

// sweepProbes removes the probes of agents that died during their check.
func (s *Shadows) sweepProbes() error {
	parent, err := s.open(len(s.levels), false)
	if err != nil {
		return ignoreGone(err)
	}
	defer closeFD(parent)
	names, err := namesIn(parent)
	for _, name := range names {
		if strings.HasPrefix(name, probePrefix) {
			err = errors.Join(err, ignoreGone(unix.Unlinkat(parent, name, 0)))
		}
	}
	return err
}

// Close removes the directories that this program made, if they are empty.
func (s *Shadows) Close() { s.prune() }
