// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
)

// attempt is one run of the pod.
type attempt struct {
	*trial
	cancel  context.CancelCauseFunc
	copy    *cri.Copy
	skip    []string // sandboxes that were there before
	sandbox string
	ended   map[string]cri.Ended // by the container's name
	refused atomic.Pointer[string]
	checked bool
	asked   time.Time // when the check ran last
	began   time.Time
}

// done looks how the pod is, and reports whether that is enough.
func (a *attempt) done(ctx context.Context) (bool, error) {
	if a.refused.Load() != nil {
		return true, nil
	}
	if a.sandbox == "" {
		all, err := a.sandboxes(ctx)
		if err != nil {
			return false, err
		}
		all = slices.DeleteFunc(all, func(id string) bool { return slices.Contains(a.skip, id) })
		if len(all) == 0 {
			return false, nil
		}
		a.sandbox = all[0]
	}
	all, err := a.client.List(ctx)
	if err != nil {
		return false, err
	}
	for i := range all {
		c := &all[i]
		if c.PodID != a.sandbox || !slices.Contains(a.containers, c.Name) || a.ended[c.Name].Ended {
			continue
		}
		// A container that the kubelet removes meanwhile is followed by another one.
		if a.ended[c.Name], err = a.client.Ended(ctx, c.ID); err == nil && c.Name == a.checkIn {
			a.tryCheck(ctx, c.ID)
		}
	}
	over := 0
	for _, e := range a.ended {
		if e.Ended {
			over++
		}
	}
	return a.checked || over == len(a.containers), nil
}

// tryCheck runs the check, once a second.
func (a *attempt) tryCheck(ctx context.Context, id string) {
	if a.succeeds == "" || a.ended[a.checkIn].Ended || time.Since(a.asked) < time.Second {
		return
	}
	a.asked = time.Now()
	code, err := a.client.Exec(ctx, id, argv(a.succeeds)...)
	a.checked = err == nil && code == 0 // else the container does not run yet, or is not ready
}

// argv is a command as it is executed: by a shell only if it takes one, which not every image
// has.
func argv(command string) []string {
	if strings.ContainsAny(command, "\"'`$|&;<>()*?[]{}~#\\\n") {
		return []string{"sh", "-c", command}
	}
	return strings.Fields(command)
}

// works reports whether all works, as far as that is known, and what was seen.
func (a *attempt) works() (works bool, seen string) {
	if text := a.refused.Load(); text != nil {
		return false, *text
	}
	if a.succeeds != "" {
		if a.checked {
			return true, "the check succeeds"
		}
		seen = "the check does not succeed: "
	}
	var states []string
	works = a.succeeds == ""
	for _, name := range a.containers {
		state := a.state(name)
		works = works && state == endedWell
		if len(a.containers) > 1 {
			state = fmt.Sprintf("container %q %s", name, state)
		}
		states = append(states, state)
	}
	return works, seen + strings.Join(states, ", ")
}

const endedWell = "ended with status 0"

// state is how a container is, in words.
func (a *attempt) state(name string) string {
	e, came := a.ended[name]
	switch {
	case !came:
		return "did not start"
	case e.Ended && e.Message != "":
		return fmt.Sprintf("ended with status %d: %s", e.Code, evidence.Printable(e.Message))
	case e.Ended:
		return fmt.Sprintf("ended with status %d", e.Code)
	}
	return "went on"
}

// goesOn reports whether a pod that nobody checks has not ended badly.
func (a *attempt) goesOn() bool {
	return a.succeeds == "" && a.refused.Load() == nil && !slices.ContainsFunc(a.containers, func(name string) bool {
		e, came := a.ended[name]
		return !came || e.Ended && e.Code != 0
	})
}
