// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
)

// Entry is the smallest thing of a proposal that can be taken away by itself.
type Entry struct {
	Container string `json:"container"`
	What      string `json:"what"`
}

const oneCall = "system call "

// entries are those of an ask: each system call is one.
func (a *Ask) entries(container string) []Entry {
	if len(a.beyond) == 0 {
		return []Entry{{container, a.What}}
	}
	var all []Entry
	for _, name := range a.beyond {
		all = append(all, Entry{container, oneCall + name})
	}
	return all
}

// Entries are all that profiles are to give.
func (p *Proposal) Entries() []Entry {
	var all []Entry
	for i := range p.Containers {
		c := &p.Containers[i]
		for j := range c.Asks {
			if c.Asks[j].By != "" {
				all = append(all, c.Asks[j].entries(c.Name)...)
			}
		}
	}
	return all
}

// Confined reports whether it takes the runtime's seccomp profile to see what a proposal
// misses: it adds to that profile.
func (p *Proposal) Confined() bool {
	return slices.ContainsFunc(p.Containers, func(c Container) bool {
		return slices.ContainsFunc(c.Asks, func(a Ask) bool { return len(a.beyond) > 0 })
	})
}

// keep leaves out what is taken away.
func (s *Set) keep(container string, asks []Ask) []Ask {
	if len(s.without) == 0 {
		return asks
	}
	var out []Ask
	for _, a := range asks {
		if len(a.beyond) == 0 {
			if !slices.Contains(s.without, Entry{container, a.What}) {
				out = append(out, a)
			}
			continue
		}
		var left []string
		for _, name := range a.beyond {
			if !slices.Contains(s.without, Entry{container, oneCall + name}) {
				left = append(left, name)
			}
		}
		if len(left) > 0 {
			a.beyond, a.What = left, beyondDefault+strings.Join(left, ", ")
			out = append(out, a)
		}
	}
	return out
}

// allowsGone reports whether a profile allows a system call that is taken away from a
// container: it would have it all the same.
func (s *Set) allowsGone(p *policy.Profile, container string) bool {
	return slices.ContainsFunc(s.without, func(e Entry) bool {
		name, ok := strings.CutPrefix(e.What, oneCall)
		return ok && e.Container == container && slices.ContainsFunc(p.Seccomp, func(r policy.SeccompRule) bool {
			return !r.Denies() && slices.Contains(r.Syscalls, name)
		})
	})
}

// Removed is an entry that makes no difference, or that does, and what was seen without it.
type Removed struct {
	Entry
	Needed bool   `json:"needed"`
	Seen   string `json:"seen"` // without it
}

// Minimize takes entries away one by one, and puts back those that are needed. try says
// whether all works without some, and what was seen. An error ends it; what was found
// before is returned with it. One round suffices: what is needed while more was there is
// needed when less is.
func Minimize(all []Entry, try func(without []Entry) (works bool, seen string, err error)) (found []Removed, err error) {
	var gone []Entry
	for _, e := range all {
		works, seen, err := try(append(slices.Clip(gone), e))
		if err != nil {
			return found, fmt.Errorf("without %s of container %q: %w", e.What, e.Container, err)
		}
		if works {
			gone = append(gone, e)
		}
		found = append(found, Removed{e, !works, seen})
	}
	return found, nil
}

// Gone are the entries that are not needed.
func Gone(found []Removed) (gone []Entry) {
	for _, r := range found {
		if !r.Needed {
			gone = append(gone, r.Entry)
		}
	}
	return gone
}
