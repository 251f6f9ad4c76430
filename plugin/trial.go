// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync/atomic"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/stub"

	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// TrialName is the name under which a trial registers: never the agent's, which pods
// require by its name.
const TrialName = "nodegate-trial"

// Trial is a policy that one pod alone runs under, beside the node's agent, which stands by
// for what a trial has answered as for another agent.
type Trial struct {
	Namespace, Pod string
	// Requests are the pod's annotations that ask for profiles, in the place of its own.
	Requests map[string]string
}

// RunTrial answers for the containers of the trial's pod until ctx ends, and for no other.
// It calls ready when the runtime asks it. It does not connect again: an error ends the trial.
// The index has to be lower than the agent's.
func (p *Plugin) RunTrial(ctx context.Context, to Endpoint, of Trial, ready func()) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", to.Socket)
	if err != nil {
		return fmt.Errorf("connecting to NRI: %w%s", err, absent(err))
	}
	defer func() { _ = conn.Close() }() // the stub closes it as well
	t := &trial{plugin: p, of: of, pid: Peer(conn), ready: ready}
	s, closed, err := register(ctx, t, &t.stub, stub.WithPluginName(TrialName), stub.WithPluginIdx(to.Index), stub.WithConnection(conn))
	switch {
	case ctx.Err() != nil && err != nil:
		return nil
	case err != nil:
		return fmt.Errorf("the trial: %w", err)
	}
	select {
	case <-closed:
		return fmt.Errorf("the trial ends: %w", errClosed)
	case <-ctx.Done():
		p.stop(s)
		return nil
	}
}

// trial has the handlers that NRI's stub finds. It sweeps nothing: what is on the node is
// the agent's.
type trial struct {
	plugin *Plugin
	of     Trial
	pid    int
	ready  func()
	stub   atomic.Pointer[stub.Stub]
}

// Configure learns who the runtime is.
func (t *trial) Configure(_ context.Context, _, name, version string) (api.EventMask, error) {
	info := runtimes.Of(name, version, (*t.stub.Load()).RuntimeNRIVersion())
	t.plugin.runtime.Store(&info)
	t.plugin.readHandlers(&info, t.pid)
	var mask api.EventMask
	mask.Set(api.Event_CREATE_CONTAINER, api.Event_START_CONTAINER, api.Event_REMOVE_CONTAINER)
	return mask, nil
}

// Synchronize is when the runtime begins to ask.
func (t *trial) Synchronize(context.Context, []*api.PodSandbox, []*api.Container) ([]*api.ContainerUpdate, error) {
	t.ready()
	return nil, nil
}

// tries reports whether a pod is the trial's, and has it ask for what the trial gives. The
// runtime made the message for this plugin alone.
func (t *trial) tries(pod *api.PodSandbox) bool {
	if pod.GetNamespace() != t.of.Namespace || pod.GetName() != t.of.Pod {
		return false
	}
	asks := map[string]string{}
	maps.Copy(asks, t.of.Requests)
	for k, v := range pod.GetAnnotations() {
		if k != policy.AnnotationBare && !strings.HasPrefix(k, policy.AnnotationBare+"/") {
			asks[k] = v
		}
	}
	pod.Annotations = asks
	return true
}

// CreateContainer is the plugin's.
func (t *trial) CreateContainer(ctx context.Context, pod *api.PodSandbox, ctr *api.Container) (*api.ContainerAdjustment, []*api.ContainerUpdate, error) {
	if !t.tries(pod) {
		return nil, nil, nil
	}
	return t.plugin.CreateContainer(ctx, pod, ctr)
}

// StartContainer is the plugin's.
func (t *trial) StartContainer(ctx context.Context, pod *api.PodSandbox, ctr *api.Container) error {
	if !t.tries(pod) {
		return nil
	}
	return t.plugin.StartContainer(ctx, pod, ctr)
}

// RemoveContainer is the plugin's.
func (t *trial) RemoveContainer(ctx context.Context, pod *api.PodSandbox, ctr *api.Container) error {
	if !t.tries(pod) {
		return nil
	}
	return t.plugin.RemoveContainer(ctx, pod, ctr)
}
