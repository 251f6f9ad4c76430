// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"strings"

	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// work is a decision and what carries it.
type work struct {
	request  policy.Request
	decision policy.Decision
	reply    *api.ContainerAdjustment
	record   record.Record
}

// decide gathers the facts that the selection needs and decides. It changes
// nothing on the node.
func (p *Plugin) decide(pol *policy.Policy, sel policy.Selection, req policy.Request, pod *api.PodSandbox, ctr *api.Container) (work, error) {
	w := work{request: req}
	facts := policy.Facts{Request: req, Container: containerOf(pod, ctr)}
	facts.Container.PodSysctls = p.pods.sysctls(pod.GetId())
	facts.Host.Devices = p.node.Host.LookupDevices(sel.DevicePatterns())
	facts.Host.CgroupVersion = p.node.Host.CgroupVersion()
	if req.UserNamespace.Value {
		facts.Host.UIDMap, facts.Host.GIDMap = p.node.Host.IDMaps(pod.GetPid())
	}
	var err error
	if w.decision, err = pol.Decide(sel, &facts); err != nil || w.decision.Adjustment.Empty() {
		return w, err
	}

	runtime := p.runtime.Load()
	e := encoder{level: runtime.level, seccomp: seccompOf(ctr, runtime.level), archs: host.Architectures()}
	reply, left, uncarried, err := e.encode(&w.decision.Adjustment)
	if err != nil {
		return w, req.Refuse(policy.Conflict, "would get seccomp rules that its own profile leaves no room for: %s", err)
	}
	if len(uncarried) > 0 {
		return w, req.Refuse(policy.NotCarried, "would get %s, which %s cannot carry; nothing was changed",
			strings.Join(uncarried, " and "), runtime)
	}
	w.reply = reply
	w.record, err = record.New()
	if err != nil {
		return w, req.Refuse(policy.Internal, "cannot be given a record: %s", err)
	}
	w.record.ContainerID, w.record.PodID = ctr.GetId(), pod.GetId()
	w.record.Namespace, w.record.Pod, w.record.Container = req.Namespace, req.Pod, req.Container
	w.record.Profiles = w.decision.Profiles
	w.record.Sysctls = w.decision.Adjustment.Sysctls
	w.record.Adjustment = left
	reply.AddAnnotation(record.Annotation, w.record.Nonce)
	return w, nil
}

// carryOut does the node's part: shadow nodes and the record. It does all of
// it or leaves nothing behind.
func (p *Plugin) carryOut(ctx context.Context, w *work) error {
	if w.reply == nil {
		return nil // nothing is to change
	}
	// The runtime has given up on a request that took too long, and another
	// agent may have answered it: what is made now could undo what it made.
	if err := ctx.Err(); err != nil {
		return w.request.Refuse(policy.Internal, "was decided about too late: %s", err)
	}
	if err := p.createShadows(w); err != nil {
		return w.request.Refuse(policy.Internal, "cannot be given its devices: %s", err)
	}
	if err := p.node.Records.Write(w.record); err != nil {
		p.cleanUp(ctx, w.record.ContainerID)
		return w.request.Refuse(policy.Internal, "cannot be given a record: %s", err)
	}
	p.pods.add(w.record)
	return nil
}

func (p *Plugin) createShadows(w *work) error {
	nodes := w.decision.Adjustment.ShadowNodes
	switch {
	case len(nodes) == 0:
		return nil
	case p.node.Shadows == nil:
		return p.node.NoShadows
	}
	return p.node.Shadows.Create(w.record.ContainerID, nodes)
}
