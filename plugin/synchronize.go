// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/containerd/log"
	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// Synchronize compares what is on the node with what runs: shadow nodes and
// records of containers that are gone are leftovers. The runtime lets no
// container be created meanwhile, so none that is new can be taken for one.
func (p *Plugin) Synchronize(ctx context.Context, pods []*api.PodSandbox, ctrs []*api.Container) ([]*api.ContainerUpdate, error) {
	// The runtime has given up waiting, so containers may have come since, from
	// another agent: to sweep by this list would take their shadow nodes away.
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("synchronizing too late: %w", err)
	}
	ids := make(map[string]bool, len(ctrs))
	for _, c := range ctrs {
		ids[c.GetId()] = true
	}
	live := func(id string) bool { return ids[id] }

	var shadows []string
	var err error
	if p.node.Shadows != nil {
		if shadows, err = p.node.Shadows.Sweep(live); err != nil {
			log.G(ctx).WithError(err).Warn("cannot remove shadow nodes of containers that are gone")
		}
	}
	records, err := p.node.Records.Sweep(live)
	if err != nil {
		log.G(ctx).WithError(err).Warn("cannot remove records of containers that are gone")
	}
	kept, err := p.node.Records.List()
	if err != nil {
		log.G(ctx).WithError(err).Warn("cannot read records")
	}
	p.containers.replace(listed(p.policy.Load(), pods, ctrs, kept))
	p.takeOver(ctx, kept)
	p.registered()
	p.stats.Synchronized.Add(1)
	p.readyOnce.Do(func() { close(p.ready) })
	log.G(ctx).WithFields(log.Fields{
		"pods": len(pods), "containers": len(ctrs), "adjusted": len(kept),
		"swept_shadows": len(shadows), "swept_records": len(records),
	}).Info("synchronized")
	go func() { // the runtime waits for nothing of that
		p.compare(context.WithoutCancel(ctx))
		debug.FreeOSMemory() // the list came in messages of some MiB, which stay unused from now on
	}()
	return nil, nil
}

// listed is what the runtime says of its containers, and what they were
// given: a record counts if the container has its nonce, for the reply of one
// that has not was lost.
func listed(pol *policy.Policy, pods []*api.PodSandbox, ctrs []*api.Container, records []record.Record) map[string]container {
	podByID := make(map[string]*api.PodSandbox, len(pods))
	for _, pod := range pods {
		podByID[pod.GetId()] = pod
	}
	recordByID := make(map[string]*record.Record, len(records))
	for i := range records {
		recordByID[records[i].ContainerID] = &records[i]
	}
	all := make(map[string]container, len(ctrs))
	for _, ctr := range ctrs {
		pod := podByID[ctr.GetPodSandboxId()]
		if pod == nil {
			continue // it is being removed
		}
		req := requestOf(pod, ctr)
		if r := recordByID[ctr.GetId()]; r != nil {
			confirmFrom(&req, r)
		}
		c := container{request: pol.Compact(&req), podID: pod.GetId()}
		if r := recordByID[ctr.GetId()]; r != nil && r.Nonce == ctr.GetAnnotations()[record.Annotation] {
			c.given = givenBy(r)
		}
		all[ctr.GetId()] = c
	}
	return all
}
