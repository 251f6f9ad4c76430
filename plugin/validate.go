// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"strings"

	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// The runtime goes on without a plugin that did not answer. Two checks keep a container
// from running unadjusted then: the plugin validates what all plugins adjusted, and it
// looks again before the container starts.

// ValidateContainerAdjustment comes once all plugins have answered. That it is
// asked at all matters most: a runtime that has just lost the plugin, or waited
// for it in vain, cannot ask, and fails the request for that.
func (p *Plugin) ValidateContainerAdjustment(ctx context.Context, r *api.ValidateContainerAdjustmentRequest) (err error) {
	p.busy.RLock()
	defer p.busy.RUnlock()
	pol, pod, ctr := p.policy.Load(), r.GetPod(), r.GetContainer()
	w := work{request: requestOf(pod, ctr), podID: pod.GetId(), containerID: ctr.GetId()}
	defer func() {
		if r := recover(); r != nil {
			err = refusal(pol, panicked(ctx, &w.request, r))
		}
	}()
	return p.checkArrived(ctx, pol, &w, r.GetAdjust().GetAnnotations()[record.Annotation],
		func() (record.Record, error) { return p.node.Records.Read(w.containerID) })
}

// checkArrived refuses a container that the policy concerns and that no agent's
// answer has reached. One answer is as good as another's: two agents at once
// may have different policies.
//
// The runtime shows an annotation of the CRI's request in the place of the
// reply's, so there may be another nonce. That is fine if this agent has answered
// on this connection: a reply that is lost ends the connection, and then the agent
// asks what there is.
func (p *Plugin) checkArrived(ctx context.Context, pol *policy.Policy, w *work, nonce string, read func() (record.Record, error)) error {
	if len(w.request.Allotted) > 0 {
		if r, err := read(); err == nil {
			confirmFrom(&w.request, &r)
		}
	}
	sel, err := pol.Select(&w.request)
	if err == nil && sel.Empty() || pol.Audit() {
		return nil
	}
	if r, err := read(); err == nil && (r.Nonce == nonce || nonce != "" && p.containers.has(w.containerID)) {
		return nil
	}
	if err == nil {
		missing := strings.Join(sel.Profiles(), ", ")
		err = w.request.Refuse(policy.Unadjusted, missing, "was created without %s, which it should have got: no nodegate agent answered in time, and it has to be created again",
			missing)
	}
	p.containers.end(w.containerID)
	p.report(ctx, pol, w, err)
	return err
}

// events are those that the runtime is to tell of. An older runtime refuses a
// plugin that asks to validate. Validation is one more round trip for each
// container, and unnecessary where the runtime fails a request that the plugin
// does not answer. In audit mode nothing may be refused, so nothing is validated.
func events(r runtimes.Runtime, audit bool) api.EventMask {
	var mask api.EventMask
	mask.Set(api.Event_RUN_POD_SANDBOX, api.Event_CREATE_CONTAINER, api.Event_START_CONTAINER, api.Event_STOP_CONTAINER,
		api.Event_REMOVE_CONTAINER, api.Event_REMOVE_POD_SANDBOX)
	if r.Has(change.Validates) && !r.Has(change.FailsClosed) && !audit {
		mask.Set(api.Event_VALIDATE_CONTAINER_ADJUSTMENT)
	}
	return mask
}
