// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"slices"
	"time"

	"github.com/containerd/nri/pkg/api"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// work is a container and what is to be done for it.
type work struct {
	request            policy.Request
	podID, containerID string
	wrapped            bool   // the container runs under nodegate-runc
	nonce              string // of a peer that had nothing to give, or ""
	started            time.Time
	plan               Plan
}

// podIDMaps reads the pod's id maps by its sandbox's process. The map of the
// node itself can be no pod's: the process is another one then, that got the
// same number after the sandbox had ended.
// Where a pod has no process, the namespace's own path leads to the map.
func podIDMaps(h *host.Host, pod *api.PodSandbox, ctr *api.Container) (uid, gid policy.Known[[]specs.LinuxIDMapping]) {
	if pid := pod.GetPid(); pid != 0 {
		uid, gid = h.IDMaps(pid)
	} else if path, _ := namespacePath(ctr.GetLinux().GetNamespaces(), specs.UserNamespace); path != "" {
		uid, gid = h.IDMapsAt(path)
	}
	nodeUID, nodeGID := h.NodeIDMaps()
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
func (p *Plugin) carryOut(ctx context.Context, pol *policy.Policy, w *work) (*api.ContainerAdjustment, error) {
	entry := container{request: pol.Compact(&w.request), podID: w.podID}
	if w.plan.reply == nil && (!w.wrapped || w.nonce != "") {
		p.containers.add(w.containerID, entry)
		return nil, nil
	}
	// The runtime has given up on a request that took too long, and another
	// agent may have answered it: what is made now could undo what it made.
	if err := ctx.Err(); err != nil {
		return nil, w.request.Refuse(policy.Internal, "", "missed the runtime's deadline: %s", err)
	}
	r, err := w.record()
	if err != nil {
		return nil, w.request.Refuse(policy.Internal, "", "cannot be given a record: %s", err)
	}
	if w.plan.reply == nil {
		w.plan.reply = &api.ContainerAdjustment{}
	} else if err := p.createShadows(ctx, w); err != nil {
		p.cleanUp(ctx, w.containerID)
		return nil, w.request.Refuse(policy.Internal, "", "cannot be given its devices: %s", err)
	}
	if err := p.node.Records.Write(r); err != nil {
		p.cleanUp(ctx, w.containerID)
		return nil, w.request.Refuse(policy.Internal, "", "cannot be given a record: %s", err)
	}
	entry.given = givenBy(&r)
	p.containers.add(w.containerID, entry)
	p.noticeDevices(ctx, entry.given)
	if err := ctx.Err(); err != nil { // a reply that is lost by now gave nothing
		p.containers.end(w.containerID)
		return nil, w.request.Refuse(policy.Internal, "", "missed the runtime's deadline: %s", err)
	}
	if w.nonce == "" { // a peer's is in the reply already, and nobody may set it twice
		w.plan.reply.AddAnnotation(record.Annotation, r.Nonce)
	}
	return w.plan.reply, nil
}

// record is what stays on the node of the decision.
func (w *work) record() (record.Record, error) {
	r, err := record.New()
	if w.nonce != "" {
		r.Nonce = w.nonce
	}
	r.ContainerID, r.PodID = w.containerID, w.podID
	r.Namespace, r.Pod, r.Container = w.request.Namespace, w.request.Pod, w.request.Container
	r.Units = units(&w.request)
	if w.plan.reply != nil {
		r.Profiles, r.Definitions = w.plan.Decision.Profiles, w.plan.Selection.Definitions()
		r.Given, r.Adjustment = w.plan.Decision.Adjustment, w.plan.remainder
	}
	return r, err
}

func (p *Plugin) createShadows(ctx context.Context, w *work) error {
	a := &w.plan.Decision.Adjustment
	switch {
	case len(a.ShadowNodes)+len(a.LiveDirectories) == 0:
		return nil
	case p.node.Shadows == nil:
		return p.node.NoShadows
	}
	if err := p.node.Shadows.Create(w.containerID, w.plan.shadowGroup, a.ShadowNodes, a.LiveDirectories...); err != nil {
		return err
	}
	return p.keepLive(ctx, w.containerID, a.LiveDirectories)
}
