// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/policy"
)

// live is the containers of the node, so that those can be named which run
// without what the policy would give them: they are older than the policy, or
// no agent's answer reached them. It holds what Select needs and what each was
// given. Of labels and annotations those are kept that the policy reads, and of an
// annotation's value what may be a request, 4 KiB.
type live struct {
	mu   sync.Mutex
	byID map[string]liveContainer
}

// liveContainer has at most 128 bytes: a larger one would be an allocation for
// each container that no grant concerns.
type liveContainer struct {
	request policy.Request // compact
	podID   string
	has     *hasProfiles // nil for none
	lacks   *event.Event // nil if it has what it should have
}

// hasProfiles is what a container was given.
type hasProfiles struct{ names, definitions []string }

// profiles is nil where there are none.
func profiles(names, definitions []string) *hasProfiles {
	if len(names) == 0 {
		return nil
	}
	return &hasProfiles{names, definitions}
}

func (l *live) add(id string, c liveContainer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = map[string]liveContainer{}
	}
	l.byID[id] = c
}

// count returns how many containers there are.
func (l *live) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}

func (l *live) remove(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, id)
}

// has reports whether the container was given something, as far as is known.
func (l *live) has(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[id].has != nil
}

// removePod forgets the containers of a pod, and with them those whose creation
// failed without a word.
func (l *live) removePod(podID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, c := range l.byID {
		if c.podID == podID {
			delete(l.byID, id)
		}
	}
}

// replace puts what the runtime says in the place of what is known. What has
// been said to lack something is remembered.
func (l *live) replace(all map[string]liveContainer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, c := range all {
		c.lacks = l.byID[id].lacks
		all[id] = c
	}
	l.byID = all
}

// compare looks at every container with the policy's eyes and returns those
// that were not known to lack something.
func (l *live) compare(current func() *policy.Policy) []*event.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	pol := current() // within the lock: the last one who looks sees the last policy
	var found []*event.Event
	for id, c := range l.byID {
		had := c.lacks
		c.lacks = c.lacking(pol, id)
		if c.lacks != nil && had != nil && slices.Equal(had.Profiles, c.lacks.Profiles) {
			c.lacks = had // has been said
		} else if c.lacks != nil {
			found = append(found, c.lacks)
		}
		if c.lacks != had {
			l.byID[id] = c
		}
	}
	slices.SortFunc(found, byName)
	return found
}

// lacking says what the container would get and does not have, or that it would
// be refused; nil for neither. In audit mode nothing is given, so none lacks it.
func (c *liveContainer) lacking(pol *policy.Policy, id string) *event.Event {
	if pol.Audit() {
		return nil
	}
	has := c.has
	if has == nil {
		has = &hasProfiles{}
	}
	sel, err := pol.Select(&c.request)
	missing := sel.Missing(has.names, has.definitions)
	switch {
	case err != nil && c.has != nil:
		return nil // it has what an earlier policy gave it
	case err != nil:
		err = c.request.Refuse(policy.Unadjusted, "runs, and would be refused today: %s", policy.Reasons(err))
	case len(missing) == 0:
		return nil
	default:
		err = c.request.Refuse(policy.Unadjusted, "runs without %s as today's policy would give it: delete the pod to have it recreated",
			strings.Join(missing, ", "))
	}
	o := event.New(pol, &c.request, c.podID, id)
	o.Fail(event.Outdated, err)
	o.Profiles = missing
	return o
}

// list returns how many containers there are, how many of them were given
// something, and those that lack something, by name.
func (l *live) list() (all, adjusted int, lacking []*event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.byID {
		if c.has != nil {
			adjusted++
		}
		if c.lacks != nil {
			lacking = append(lacking, c.lacks)
		}
	}
	slices.SortFunc(lacking, byName)
	return len(l.byID), adjusted, lacking
}

func byName(a, b *event.Event) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod),
		cmp.Compare(a.Container, b.Container), cmp.Compare(a.ContainerID, b.ContainerID))
}

// comparedWith is for a container that was decided about by a policy that may
// have been replaced meanwhile, too early for the comparison with the new one.
func (p *Plugin) comparedWith(ctx context.Context, pol *policy.Policy) {
	if now := p.policy.Load(); pol != now && pol.ReadsLabelsOf(now) {
		p.compare(ctx)
	}
}

// compare tells of each container that turns out to lack something, once. It may
// be on nobody's behalf, where a panic would end the agent.
func (p *Plugin) compare(ctx context.Context) {
	defer func() {
		if r := recover(); r != nil {
			log.G(ctx).WithField("panic", r).Error("panic while comparing running containers with the policy")
		}
	}()
	for _, o := range p.live.compare(p.policy.Load) {
		p.stats.Outdated.Add(1)
		p.tell(ctx, o)
	}
}
