// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"maps"
	"slices"
	"sync"

	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// pods remembers, for each pod, what nodegate gave to its containers: the
// sysctls, which hold for all of them, and who the containers are, so that
// what they left on the node goes with the pod. Records hold the same, which
// is how it survives a restart of the agent.
type pods struct {
	mu   sync.Mutex
	byID map[string]podState
}

// podState is what each container of a pod got, by its id.
type podState map[string]given

type given struct {
	name    string // the container's
	sysctls map[string]string
}

// add notes what a record says.
func (p *pods) add(r record.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID == nil {
		p.byID = map[string]podState{}
	}
	if p.byID[r.PodID] == nil {
		p.byID[r.PodID] = podState{}
	}
	p.byID[r.PodID][r.ContainerID] = given{r.Container, r.Given.Sysctls}
}

// sysctls returns what other containers of the pod have. They agree: one that
// would get another value is refused.
func (p *pods) sysctls(podID string) map[string]policy.GivenSysctl {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all map[string]policy.GivenSysctl
	for _, c := range p.byID[podID] {
		for name, value := range c.sysctls {
			if all == nil {
				all = map[string]policy.GivenSysctl{}
			}
			// Of several that have it, always the same one is named.
			if have, ok := all[name]; !ok || c.name < have.Container {
				all[name] = policy.GivenSysctl{Value: value, Container: c.name}
			}
		}
	}
	return all
}

// removeContainer forgets a container: the one that replaces it may get other
// values.
func (p *pods) removeContainer(podID, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byID[podID], id)
	if len(p.byID[podID]) == 0 {
		delete(p.byID, podID)
	}
}

// remove forgets a pod and returns the ids of its containers.
func (p *pods) remove(podID string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := slices.Collect(maps.Keys(p.byID[podID]))
	delete(p.byID, podID)
	return ids
}

// reset replaces everything by what the records of live containers say.
func (p *pods) reset(records []record.Record) {
	p.mu.Lock()
	p.byID = nil
	p.mu.Unlock()
	for _, r := range records {
		p.add(r)
	}
}
