// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"sync"

	"github.com/nodegate/nodegate/plugin/event"
)

// How many events are kept. An event has a few kilobytes at most.
const (
	keptDecisions = 256
	keptRefusals  = 32
)

// recent keeps the latest events, and the latest refusals apart: those of a
// busy node would be gone before somebody asks.
type recent struct {
	mu        sync.Mutex
	decisions ring
	refusals  ring
}

// ring holds the last ones; next is where the next one goes.
type ring struct {
	list []*event.Event
	most int
	next int
}

func newRecent() *recent {
	return &recent{decisions: ring{most: keptDecisions}, refusals: ring{most: keptRefusals}}
}

// event is an [event.Observer].
func (r *recent) event(_ context.Context, o *event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.decisions.add(o)
	if o.Result == event.Refused {
		r.refusals.add(o)
	}
}

func (r *ring) add(o *event.Event) {
	if len(r.list) < r.most {
		r.list = append(r.list, o)
	} else {
		r.list[r.next] = o
	}
	r.next = (r.next + 1) % r.most
}

// newestFirst returns at most so many.
func (r *ring) newestFirst(most int) []*event.Event {
	out := []*event.Event{} // [] in JSON, and not null
	for i := range min(most, len(r.list)) {
		at := (r.next - 1 - i + 2*r.most) % r.most
		out = append(out, r.list[at])
	}
	return out
}

func (r *recent) lastDecisions() []*event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.decisions.newestFirst(keptDecisions)
}

func (r *recent) lastRefusals() []*event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refusals.newestFirst(keptRefusals)
}
