// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/containerd/log"
	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// Name is the name under which the plugin registers. Pods name it in the
// annotation required-plugins.noderesource.dev, so it never differs.
const Name = "nodegate"

// Node is the plugin's part of the node.
type Node struct {
	Host    *host.Host
	Records *record.Store
	// Shadows is nil where the node can have no shadow nodes, for the reason
	// in NoShadows: then only what needs none is given.
	Shadows   *host.Shadows
	NoShadows error
}

// Plugin answers the runtime. Its methods are those of NRI's stub; the stub
// subscribes to an event for each handler that exists, so there is none that
// is not needed.
type Plugin struct {
	node    Node
	policy  atomic.Pointer[policy.Policy]
	runtime atomic.Pointer[runtimeInfo]
	pods    pods
	stats   Stats

	// busy is held for reading by each request, so that the agent can end
	// between requests and never within one.
	busy sync.RWMutex
}

// New makes a plugin that decides by the policy.
func New(p *policy.Policy, node Node) *Plugin {
	plugin := &Plugin{node: node}
	plugin.policy.Store(p)
	plugin.runtime.Store(&runtimeInfo{level: lowestLevel})
	return plugin
}

// SetPolicy replaces the policy for the containers that come.
func (p *Plugin) SetPolicy(pol *policy.Policy) { p.policy.Store(pol) }

// Stats returns the plugin's counters.
func (p *Plugin) Stats() *Stats { return &p.stats }

// CreateContainer decides about one container. An error refuses it.
func (p *Plugin) CreateContainer(ctx context.Context, pod *api.PodSandbox, ctr *api.Container) (adjust *api.ContainerAdjustment, _ []*api.ContainerUpdate, err error) {
	p.busy.RLock()
	defer p.busy.RUnlock()

	pol := p.policy.Load()
	req := requestOf(pod, ctr)
	// A panic would end the connection, and the runtime takes a lost plugin
	// for one that has nothing to say: the container would run unadjusted.
	defer func() {
		if r := recover(); r != nil {
			log.G(ctx).WithField("panic", r).Error("deciding about a container")
			adjust, err = nil, req.Refuse(policy.Internal, "cannot be decided about: %v", r)
		}
	}()

	if p.decidedByPeer(ctr) {
		return nil, nil, nil
	}
	sel, err := pol.Select(&req)
	if err == nil && sel.Empty() {
		p.stats.Unconcerned.Add(1)
		return nil, nil, nil
	}
	var w work
	if err == nil {
		w, err = p.decide(pol, sel, req, pod, ctr)
	}
	if err == nil && !pol.Audit() {
		err = p.carryOut(ctx, &w)
	}
	return p.answer(ctx, pol, &req, &w, err), nil, refusalOf(pol, err)
}

// decidedByPeer reports whether another agent, beside this one during a
// rolling update, has adjusted the container within this very request. It
// leaves a nonce in the reply and in a record that only root can write, so no
// pod can feign it; whoever is called first decides, and the other stands by.
func (p *Plugin) decidedByPeer(ctr *api.Container) bool {
	nonce := ctr.GetAnnotations()[record.Annotation]
	if nonce == "" {
		return false
	}
	r, err := p.node.Records.Read(ctr.GetId())
	return err == nil && r.Nonce == nonce
}

// refusalOf drops the error in audit mode, in which nothing is refused.
func refusalOf(pol *policy.Policy, err error) error {
	if pol.Audit() {
		return nil
	}
	return err
}

// answer counts and logs the outcome, and returns the reply.
func (p *Plugin) answer(ctx context.Context, pol *policy.Policy, req *policy.Request, w *work, err error) *api.ContainerAdjustment {
	l := log.G(ctx).WithFields(log.Fields{
		"namespace": req.Namespace, "pod": req.Pod, "container": req.Container,
	})
	if pol.Audit() {
		l = l.WithField("audit", true)
	}
	for _, r := range w.decision.Reasons {
		l.WithFields(log.Fields{"reason": r.Code, "profile": r.Profile}).Debug(r.Text)
	}
	if err != nil {
		p.stats.Refused.Add(1)
		var refusal *policy.Refusal
		if errors.As(err, &refusal) {
			l = l.WithField("reason", refusal.Code)
		}
		l.Warn(err.Error())
		return nil
	}
	p.stats.Adjusted.Add(1)
	l.WithField("profiles", w.decision.Profiles).Info("container adjusted")
	if pol.Audit() {
		return nil
	}
	return w.reply
}

// RemoveContainer takes away what the container left on the node. It also
// comes for a container whose creation failed later on.
func (p *Plugin) RemoveContainer(ctx context.Context, _ *api.PodSandbox, ctr *api.Container) error {
	p.cleanUp(ctx, ctr.GetId())
	return nil
}

// RemovePodSandbox takes away what the pod's containers left, those included
// whose creation failed in a way of which the runtime says nothing.
func (p *Plugin) RemovePodSandbox(ctx context.Context, pod *api.PodSandbox) error {
	for _, id := range p.pods.remove(pod.GetId()) {
		p.cleanUp(ctx, id)
	}
	return nil
}

// cleanUp logs what cannot be removed; the next start sweeps it.
func (p *Plugin) cleanUp(ctx context.Context, id string) {
	if p.node.Shadows != nil {
		if err := p.node.Shadows.Remove(id); err != nil {
			log.G(ctx).WithError(err).Warn("removing a container's shadow nodes")
		}
	}
	if err := p.node.Records.Remove(id); err != nil {
		log.G(ctx).WithError(err).Warn("removing a container's record")
	}
}
