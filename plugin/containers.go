// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// containers are those of the node, so that those can be named which run
// without what the policy would give them: they are older than the policy, or
// no agent's answer reached them. The table holds what Select needs and what each
// was given. Of labels those are kept that the policy reads, and of annotations those that
// may be part of a request by whatever policy, 4 KiB of each value.
type containers struct {
	mu   sync.Mutex
	byID map[string]container
}

// container has at most 128 bytes: a larger one would be an allocation for
// each container that no grant concerns.
type container struct {
	request policy.Request // compact
	podID   string
	given   *given       // nil for nothing
	missing *event.Event // nil if it has what it should have
}

// given is what a container was given, by its record: that is how it survives a
// restart of the agent.
type given struct {
	profiles, definitions []string
	sysctls               map[string]string // they hold for all containers of the pod
	devices               []policy.GivenDevice
	// ended says that the container does not run. What it gave to its pod stays, and
	// what it left on the node goes with the pod.
	ended bool
}

// givenBy is nil for a record of nothing.
func givenBy(r *record.Record) *given {
	if len(r.Profiles) == 0 {
		return nil
	}
	return &given{profiles: r.Profiles, definitions: r.Definitions, sysctls: r.Given.Sysctls, devices: policy.GivenDevices(&r.Given)}
}

func (c *container) runs() bool { return c.given == nil || !c.given.ended }

func (t *containers) add(id string, c container) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[string]container{}
	}
	t.byID[id] = c
}

// end notes that a container does not run any more, or never will.
func (t *containers) end(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.byID[id]
	switch {
	case ok && c.given != nil:
		ended := *c.given
		ended.ended = true
		c.given, c.missing = &ended, nil
		t.byID[id] = c
	case ok:
		delete(t.byID, id)
	}
}

// remove forgets a container: the one that replaces it may get other values.
func (t *containers) remove(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, id)
}

// has reports whether the container was given something, as far as is known.
func (t *containers) has(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.byID[id].given
	return g != nil && !g.ended
}

// removePod forgets the containers of a pod, and with them those whose creation
// failed without a word. It returns their ids.
func (t *containers) removePod(podID string) (ids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, c := range t.byID {
		if c.podID == podID {
			ids = append(ids, id)
			delete(t.byID, id)
		}
	}
	return ids
}

// sysctls returns what the containers of a pod have. They agree: one that
// would get another value is refused.
func (t *containers) sysctls(podID string) map[string]policy.GivenSysctl {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all map[string]policy.GivenSysctl
	for _, c := range t.byID {
		if c.podID != podID || c.given == nil {
			continue
		}
		for name, value := range c.given.sysctls {
			if all == nil {
				all = map[string]policy.GivenSysctl{}
			}
			// Of several that have it, always the same one is named.
			if have, ok := all[name]; !ok || c.request.Container < have.Container {
				all[name] = policy.GivenSysctl{Value: value, Container: c.request.Container}
			}
		}
	}
	return all
}

// replace puts what the runtime says in the place of what is known. What has
// been said to lack something is remembered.
func (t *containers) replace(all map[string]container) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, c := range all {
		c.missing = t.byID[id].missing
		all[id] = c
	}
	t.byID = all
}

// compare looks at every container with the policy's eyes and returns those
// that were not known to lack something.
func (t *containers) compare(current func() *policy.Policy, look func([]policy.DeviceSelector) map[policy.DeviceSelector]policy.DeviceLookup) []*event.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	pol := current() // within the lock: the last one who looks sees the last policy
	devices := look(t.selectors(pol))
	var found []*event.Event
	for id, c := range t.byID {
		had := c.missing
		c.missing = c.outdated(pol, id, devices)
		if c.missing != nil && had != nil && slices.Equal(had.Profiles, c.missing.Profiles) && slices.Equal(had.Changes, c.missing.Changes) {
			c.missing = had // has been said
		} else if c.missing != nil {
			found = append(found, c.missing)
		}
		if c.missing != had {
			t.byID[id] = c
		}
	}
	slices.SortFunc(found, byName)
	return found
}

// outdated says what the container would get and does not have, or that it would
// be refused; nil for neither. In audit mode nothing is given, so none lacks it.
func (c *container) outdated(pol *policy.Policy, id string, devices map[policy.DeviceSelector]policy.DeviceLookup) *event.Event {
	if pol.Audit() || !c.runs() {
		return nil
	}
	has := c.given
	if has == nil {
		has = &given{}
	}
	sel, err := pol.Select(&c.request)
	missing := sel.Missing(has.profiles, has.definitions)
	switch {
	case err != nil && c.given != nil:
		return nil // it has what an earlier policy gave it
	case err != nil:
		err = c.request.Refuse(policy.Unadjusted, "", "runs, and would be refused today: %s", policy.Reasons(err))
	case len(missing) == 0:
		return c.changed(pol, id, sel.ChangedDevices(has.devices, devices))
	default:
		names := strings.Join(missing, ", ")
		err = c.request.Refuse(policy.Unadjusted, names, "runs without %s as today's policy would give it",
			names).Advise("delete the pod to have it recreated")
	}
	o := event.New(pol, &c.request, c.podID, id)
	o.Fail(event.Outdated, err)
	o.Profiles = missing
	return o
}

// changed says that the container has devices which are others now; nil for none.
func (c *container) changed(pol *policy.Policy, id string, devices []policy.ChangedDevice) *event.Event {
	if len(devices) == 0 {
		return nil
	}
	o := event.New(pol, &c.request, c.podID, id)
	for _, d := range devices {
		o.Changes = append(o.Changes, event.Shorten(d.String(), event.MaxName))
	}
	what := strings.Join(o.Changes, ", ")
	o.Fail(event.Outdated, c.request.Refuse(policy.DeviceChanged, what, "runs with what was plugged in when it was created: %s",
		what).Advise("delete the pod to have it recreated, or write live in the profile"))
	return o
}

// selectors are those of the devices that running containers were given.
func (t *containers) selectors(pol *policy.Policy) []policy.DeviceSelector {
	seen := map[policy.DeviceSelector]bool{}
	for _, c := range t.byID {
		if pol.Audit() || !c.runs() || c.given == nil || len(c.given.devices) == 0 {
			continue
		}
		sel, _ := pol.Select(&c.request) // what is refused has nothing to compare
		for _, s := range sel.DeviceSelectors() {
			seen[s] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// list returns how many containers run, how many of them were given
// something, and those that lack something, by name.
func (t *containers) list() (all, adjusted int, outdated []*event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.byID {
		if !c.runs() {
			continue
		}
		all++
		if c.given != nil {
			adjusted++
		}
		if c.missing != nil {
			outdated = append(outdated, c.missing)
		}
	}
	slices.SortFunc(outdated, byName)
	return all, adjusted, outdated
}

// held are the devices that running containers have as units.
func (t *containers) held(pol *policy.Policy) (all []policy.HeldDevice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.byID {
		if c.given != nil && !c.given.ended {
			all = append(all, pol.Held(c.given.devices, c.request.Allotted)...)
		}
	}
	return all
}

// units counts the units of each profile that running containers have, by what the kubelet
// allotted to them. Two containers in turn that have one unit count once.
func (t *containers) units() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := map[[2]string]bool{}
	out := map[string]int{}
	for _, c := range t.byID {
		if c.given == nil || c.given.ended {
			continue
		}
		for profile, allotted := range c.request.Allotted {
			for _, unit := range allotted.Value {
				if allotted.OK && !seen[[2]string{profile, unit}] {
					seen[[2]string{profile, unit}] = true
					out[profile]++
				}
			}
		}
	}
	return out
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
	for _, o := range p.containers.compare(p.policy.Load, p.node.Host.LookupDevices) {
		p.stats.Outdated.Add(1)
		p.tell(ctx, o)
	}
}
