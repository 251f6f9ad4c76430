// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// runtimeRest is how long the agent leaves a runtime alone that ends whenever it lists its
// pods: up to NRI 0.12.5 some lists end it (TestUpstreamSplit). It has to run for a while to
// remove them, and while it is down nobody starts anything.
const runtimeRest = 30 * time.Second

// ends counts the times that the runtime has ended so.
type ends struct {
	unlisted bool // the last connection ended before the list had come
	times    int
}

// rest returns how long to wait because of an error of connect: nothing for the first time,
// since a runtime may be restarted just then.
func (e *ends) rest(err error) time.Duration {
	gone := errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED)
	ended := e.unlisted && gone
	e.unlisted = errors.Is(err, errUnlisted)
	if !ended {
		return 0
	}
	e.times++
	if e.times < 2 {
		return 0
	}
	return runtimeRest
}
