// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"slices"
	"time"

	"github.com/containerd/nri/pkg/api"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// work is a decision and what carries it.
type work struct {
	request            policy.Request
	podID, containerID string
	wrapped            bool   // the container runs under nodegate-runc
	nonce              string // of a peer that had nothing to give, or ""
	started            time.Time
	selection          policy.Selection
	decision           policy.Decision
	change             *api.ContainerAdjustment // what NRI carries; nil for nothing
	left               policy.Adjustment        // what the wrapper carries
	shadowGroup        uint32                   // who may pass to the shadow nodes
}

// decide gathers the facts that the selection needs and decides. It changes
// nothing on the node.
func (p *Plugin) decide(pol *policy.Policy, sel policy.Selection, w *work, pod *api.PodSandbox, ctr *api.Container) error {
	if sel.Empty() {
		return nil
	}
	facts := policy.Facts{Request: w.request, Container: p.containerOf(pod, ctr)}
	facts.Container.PodSysctls = p.pods.sysctls(w.podID)
	facts.Host = HostFacts(p.node.Host, sel, &facts.Container)
	if w.request.UserNamespace.Value {
		facts.Host.UIDMap, facts.Host.GIDMap = p.podIDMaps(pod, ctr)
	} else {
		facts.Host.UIDMap, facts.Host.GIDMap = p.node.Host.NodeIDMaps()
	}
	runtime := p.runtime.Load()
	own := seccompOf(ctr, runtime.Has(change.TellsSeccomp))
	var err error
	if w.decision, err = pol.Decide(sel, &facts); err != nil {
		partial := policy.Partial(err)
		_, _, undelivered := deliver(*runtime, pol, &w.request, sel.Profiles(), &partial, own)
		return policy.Together(err, undelivered)
	}
	if w.decision.Adjustment.Empty() {
		// Nothing to change, which is an answer too: the record says so.
		w.change = &api.ContainerAdjustment{}
		return nil
	}
	if len(w.decision.Adjustment.ShadowNodes) > 0 {
		if w.shadowGroup, err = facts.RootGroup(); err != nil {
			return w.request.Refuse(policy.UnknownFact, "would get devices of its own, but %s", err)
		}
	}
	w.change, w.left, err = deliver(*runtime, pol, &w.request, w.decision.Profiles, &w.decision.Adjustment, own)
	return err
}

// HostFacts asks the node for what a selection needs for a container, apart
// from the pod's id maps.
func HostFacts(h *host.Host, sel policy.Selection, c *policy.Container) policy.Host {
	out := policy.Host{Devices: h.LookupDevices(sel.DevicePatterns())}
	if len(out.Devices) > 0 {
		var sources []string
		for _, m := range c.Mounts {
			sources = append(sources, m.Source)
		}
		out.Sources = h.LookupSources(sources)
	}
	if sel.NeedsCgroup() {
		out.Cgroup = h.Cgroup()
	}
	return out
}

// podIDMaps reads the pod's id maps by its sandbox's process. The map of the
// node itself can be no pod's: the process is another one then, that got the
// same number after the sandbox had ended.
// Where a pod has no process, the namespace's own path leads to the map.
func (p *Plugin) podIDMaps(pod *api.PodSandbox, ctr *api.Container) (uid, gid policy.Known[[]specs.LinuxIDMapping]) {
	if pid := pod.GetPid(); pid != 0 {
		uid, gid = p.node.Host.IDMaps(pid)
	} else if path, _ := namespacePath(ctr.GetLinux().GetNamespaces(), specs.UserNamespace); path != "" {
		uid, gid = p.node.Host.IDMapsAt(path)
	}
	nodeUID, nodeGID := p.node.Host.NodeIDMaps()
	if slices.Equal(uid.Value, nodeUID.Value) || slices.Equal(gid.Value, nodeGID.Value) {
		var unknown policy.Known[[]specs.LinuxIDMapping]
		return unknown, unknown
	}
	return uid, gid
}

// carryOut does the node's part, shadow nodes and the record, and returns the
// reply. It does all of it or leaves nothing behind. A container that runs
// under the wrapper gets a record in any case, if only to say "nothing": the
// wrapper lets none pass without.
func (p *Plugin) carryOut(ctx context.Context, w *work) (*api.ContainerAdjustment, error) {
	if w.change == nil && (!w.wrapped || w.nonce != "") {
		return nil, nil
	}
	// The runtime has given up on a request that took too long, and another
	// agent may have answered it: what is made now could undo what it made.
	if err := ctx.Err(); err != nil {
		return nil, w.request.Refuse(policy.Internal, "was decided about too late: %s", err)
	}
	r, err := w.record()
	if err != nil {
		return nil, w.request.Refuse(policy.Internal, "cannot be given a record: %s", err)
	}
	if w.change == nil {
		w.change = &api.ContainerAdjustment{}
	} else if err := p.createShadows(w); err != nil {
		return nil, w.request.Refuse(policy.Internal, "cannot be given its devices: %s", err)
	}
	if err := p.node.Records.Write(r); err != nil {
		p.cleanUp(ctx, w.containerID)
		return nil, w.request.Refuse(policy.Internal, "cannot be given a record: %s", err)
	}
	p.pods.add(r)
	// A reply that is lost by now gave nothing: what is known of the container
	// would be wrong.
	if err := ctx.Err(); err != nil {
		return nil, w.request.Refuse(policy.Internal, "was decided about too late: %s", err)
	}
	if w.nonce == "" { // a peer's is in the reply already, and nobody may set it twice
		w.change.AddAnnotation(record.Annotation, r.Nonce)
	}
	return w.change, nil
}

// live is what is kept in memory of the container. In audit mode it was given
// nothing.
func (w *work) live(pol *policy.Policy) liveContainer {
	c := liveContainer{request: pol.Compact(&w.request), podID: w.podID}
	if !pol.Audit() {
		c.has = profiles(w.decision.Profiles, w.selection.Definitions())
	}
	return c
}

// record is what stays on the node of the decision.
func (w *work) record() (record.Record, error) {
	r, err := record.New()
	if w.nonce != "" {
		r.Nonce = w.nonce
	}
	r.ContainerID, r.PodID = w.containerID, w.podID
	r.Namespace, r.Pod, r.Container = w.request.Namespace, w.request.Pod, w.request.Container
	if w.change != nil {
		r.Profiles, r.Definitions = w.decision.Profiles, w.selection.Definitions()
		r.Sysctls = w.decision.Adjustment.Sysctls
		r.Cgroup = w.decision.Adjustment.Cgroup
		r.Adjustment = w.left
	}
	return r, err
}

func (p *Plugin) createShadows(w *work) error {
	nodes := w.decision.Adjustment.ShadowNodes
	switch {
	case len(nodes) == 0:
		return nil
	case p.node.Shadows == nil:
		return p.node.NoShadows
	}
	return p.node.Shadows.Create(w.containerID, w.shadowGroup, nodes)
}
