// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"maps"
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
	byID map[string]*podState
}

type podState struct {
	containers map[string]bool // ids
	sysctls    map[string]policy.GivenSysctl
}

// add notes what a record says.
func (p *pods) add(r record.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID == nil {
		p.byID = map[string]*podState{}
	}
	state := p.byID[r.PodID]
	if state == nil {
		state = &podState{containers: map[string]bool{}, sysctls: map[string]policy.GivenSysctl{}}
		p.byID[r.PodID] = state
	}
	state.containers[r.ContainerID] = true
	for name, value := range r.Sysctls {
		if _, ok := state.sysctls[name]; !ok {
			state.sysctls[name] = policy.GivenSysctl{Value: value, Container: r.Container}
		}
	}
}

// sysctls returns what other containers of the pod got.
func (p *pods) sysctls(podID string) map[string]policy.GivenSysctl {
	p.mu.Lock()
	defer p.mu.Unlock()
	if state := p.byID[podID]; state != nil {
		return maps.Clone(state.sysctls)
	}
	return nil
}

// remove forgets a pod and returns the ids of its containers.
func (p *pods) remove(podID string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := p.byID[podID]
	if state == nil {
		return nil
	}
	delete(p.byID, podID)
	ids := make([]string, 0, len(state.containers))
	for id := range state.containers {
		ids = append(ids, id)
	}
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
