// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/log"
	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
	"github.com/nodegate/nodegate/plugin/runtimes"
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
	// Allotted is nil where the kubelet allots nothing: then no claim is believed.
	Allotted Allotments
	// Handlers finds out what the handlers of a runtime run, whose process is pid, or 0 if
	// that is not seen. It is nil where nobody can.
	Handlers func(r *runtimes.Runtime, pid int) Handlers
}

// Close gives back what the node was asked for; shadow nodes of containers
// that live stay.
func (n *Node) Close() {
	if n.Shadows != nil {
		n.Shadows.Close()
	}
	_ = n.Host.Close() // read only
}

// Plugin answers the runtime. Its methods are those of NRI's stub; the stub
// subscribes to an event for each handler that exists, so there is none that
// is not needed.
type Plugin struct {
	node     Node
	policy   atomic.Pointer[policy.Policy]
	runtime  atomic.Pointer[runtimes.Runtime]
	handlers atomic.Pointer[Handlers]
	sizes    sizes
	link     atomic.Pointer[link]
	stats    event.Stats

	containers containers

	observers []event.Observer

	live     *host.Live // nil without shadow nodes
	watching sync.Mutex // guards what follows
	watch    *host.Watch
	liveSaid string // what was last wrong with live directories

	again chan struct{} // asks for another registration

	ready     chan struct{} // closed when first synchronized
	readyOnce sync.Once

	// busy is held for reading by each request, so that the agent can end
	// between requests and never within one.
	busy sync.RWMutex
}

// New makes a plugin that decides by the policy.
func New(p *policy.Policy, node Node) *Plugin {
	plugin := &Plugin{node: node, again: make(chan struct{}, 1), ready: make(chan struct{})}
	plugin.policy.Store(p)
	if node.Shadows != nil {
		plugin.live = host.NewLive(node.Host, node.Shadows)
	}
	unknown := runtimes.Unknown()
	plugin.runtime.Store(&unknown)
	plugin.handlers.Store(&Handlers{Unknown: "the agent is not registered yet"})
	plugin.unregistered("it has not registered yet")
	return plugin
}

// SetPolicy applies pol to new containers and reports outdated ones. Another mode needs
// another registration, since the runtime may then refuse for the agent, or no longer. So
// does a policy that reads labels which the former one did not, for those were not kept.
func (p *Plugin) SetPolicy(ctx context.Context, pol *policy.Policy) {
	old := p.policy.Swap(pol)
	unread := !old.ReadsLabelsOf(pol) // of the containers that are there
	if unread || old.Audit() != pol.Audit() {
		select {
		case p.again <- struct{}{}:
		default: // is waiting already
		}
	}
	if !unread { // else they are compared when they are listed again
		p.compare(ctx)
	}
}

// Stats returns the plugin's counters.
func (p *Plugin) Stats() *event.Stats { return &p.stats }

// Ready is closed when the plugin is registered for the first time.
func (p *Plugin) Ready() <-chan struct{} { return p.ready }

// CreateContainer decides about one container. An error refuses it.
func (p *Plugin) CreateContainer(ctx context.Context, pod *api.PodSandbox, ctr *api.Container) (adjust *api.ContainerAdjustment, _ []*api.ContainerUpdate, err error) {
	p.busy.RLock()
	defer p.busy.RUnlock()

	pol := p.policy.Load()
	req := requestOf(pod, ctr)
	defer func() {
		if r := recover(); r != nil {
			adjust, err = nil, refusal(pol, panicked(ctx, &req, r))
		}
	}()

	peer, ok := p.peerRecord(ctr)
	if ok && len(peer.Profiles) > 0 {
		confirmFrom(&req, &peer)
		p.containers.add(ctr.GetId(), container{request: pol.Compact(&req), podID: pod.GetId(), given: givenBy(&peer)})
		p.keepPeers(ctx, &peer)
		return nil, nil, nil
	}
	if what, meant := req.NearMiss(); what != "" {
		logNearMiss(ctx, &req, what, meant)
	}
	wrapped, started := pol.Wrapped(req.Handler), time.Now()
	p.confirm(ctx, &req)
	plan, err := Decide(pol, p.runtime.Load(), p.node.Host, &req, func() Subject { return &nriSubject{p, pod, ctr} })
	if err == nil && plan.Selection.Empty() && !wrapped {
		p.stats.Unmatched.Add(1)
		p.containers.add(ctr.GetId(), container{request: pol.Compact(&req), podID: pod.GetId()})
		p.comparedWith(ctx, pol)
		return nil, nil, nil
	}
	w := work{request: req, wrapped: wrapped, podID: pod.GetId(), containerID: ctr.GetId(), nonce: peer.Nonce,
		started: started, plan: plan}
	reported := err
	if pol.Audit() {
		w.plan.reply, w.plan.remainder, err = nil, policy.Adjustment{}, nil
	}
	if err == nil {
		adjust, err = p.carryOut(ctx, pol, &w)
		reported = errors.Join(reported, err)
	}
	if err == nil {
		p.comparedWith(ctx, pol)
	}
	p.report(ctx, pol, &w, reported)
	return adjust, nil, refusal(pol, err)
}

// panicked refuses a container about which the agent panicked. Left alone that
// would end the connection, and the runtime takes a lost plugin for one that
// has nothing to say: the container would run unadjusted.
func panicked(ctx context.Context, req *policy.Request, value any) *policy.Refusal {
	log.G(ctx).WithField("panic", value).Error("panic while deciding about a container")
	return req.Refuse(policy.Internal, "", "cannot be decided about: %v", value)
}

// refusal is what the runtime is told: in audit mode, that all is well.
func refusal(pol *policy.Policy, err error) error {
	if pol.Audit() {
		return nil
	}
	return err
}

// peerRecord returns the record of another agent, beside this one during a
// rolling update, that has answered for the container within this very request.
// It leaves a nonce in the reply and in a record that only root can write, so
// no pod can feign it. Whoever has something to give first gives it, and the
// other stands by.
func (p *Plugin) peerRecord(ctr *api.Container) (record.Record, bool) {
	nonce := ctr.GetAnnotations()[record.Annotation]
	if nonce == "" {
		return record.Record{}, false
	}
	r, err := p.node.Records.Read(ctr.GetId())
	if err != nil || r.Nonce != nonce {
		return record.Record{}, false
	}
	return r, true
}

// StopContainer comes when a container has ended too, by itself or not.
func (p *Plugin) StopContainer(_ context.Context, _ *api.PodSandbox, ctr *api.Container) ([]*api.ContainerUpdate, error) {
	p.containers.end(ctr.GetId())
	return nil, nil
}

// RemoveContainer takes away what the container left on the node. It also
// comes for a container whose creation failed later on.
func (p *Plugin) RemoveContainer(ctx context.Context, _ *api.PodSandbox, ctr *api.Container) error {
	p.containers.remove(ctr.GetId())
	p.cleanUp(ctx, ctr.GetId())
	return nil
}

// RemovePodSandbox takes away what the pod's containers left, those included
// whose creation failed in a way of which the runtime says nothing.
func (p *Plugin) RemovePodSandbox(ctx context.Context, pod *api.PodSandbox) error {
	for _, id := range p.containers.removePod(pod.GetId()) {
		p.cleanUp(ctx, id)
	}
	return nil
}

// cleanUp logs what cannot be removed; the next start sweeps it.
func (p *Plugin) cleanUp(ctx context.Context, id string) {
	if p.node.Shadows != nil {
		p.live.Forget(id)
		if err := p.node.Shadows.Remove(id); err != nil {
			log.G(ctx).WithError(err).Warn("cannot remove a container's shadow nodes")
		}
	}
	if err := p.node.Records.Remove(id); err != nil {
		log.G(ctx).WithError(err).Warn("cannot remove a container's record")
	}
}
