// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/containerd/log"
	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/stub"
	"github.com/containerd/ttrpc"

	"github.com/nodegate/nodegate/plugin/runtimes"
)

// registerTimeout bounds one registration: the runtime's own limit is 5 s, and
// it may be busy with another plugin first.
const registerTimeout = 15 * time.Second

// syncPatience is how long the runtime may leave a plugin that it has configured
// without its list of containers until that is worth a line in the log.
const syncPatience = 5 * time.Second

// flushTime is left to the last reply to reach the runtime before the
// connection is closed.
const flushTime = 50 * time.Millisecond

var (
	errClosed = errors.New("the runtime closed the connection")
	errAgain  = errors.New("the policy has changed in what takes another registration")
)

// connection is the plugin as one connection sees it. NRI's stub takes the
// handlers from its method set, most of which are the plugin's own.
type connection struct {
	*Plugin
	pid     int // the runtime's, 0 if it is not seen
	stub    atomic.Pointer[stub.Stub]
	waiting atomic.Pointer[time.Timer] // for the list of containers
	listing atomic.Bool                // it is configured, and waits for that list
	listed  sizes                      // what the runtime lists, as it comes
}

// Configure learns who the runtime is.
func (c *connection) Configure(ctx context.Context, text, name, version string) (api.EventMask, error) {
	if text != "" {
		log.G(ctx).Warn("ignoring the runtime's configuration for this plugin: the agent reads its own files")
	}
	info := runtimes.Of(name, version, (*c.stub.Load()).RuntimeNRIVersion())
	c.runtime.Store(&info)
	c.readHandlers(&info, c.pid)
	log.G(ctx).WithField("runtime", info.String()).Info("runtime connected")
	c.listing.Store(true)
	c.waiting.Store(time.AfterFunc(syncPatience, func() {
		log.G(ctx).Warn("the runtime does not let the agent in yet: it may be stopping a container with a long grace period; until then it starts no other; if that lasts, restart the runtime")
	}))
	return events(info, c.policy.Load().Audit()), nil
}

// Synchronize is the plugin's.
func (c *connection) Synchronize(ctx context.Context, pods []*api.PodSandbox, ctrs []*api.Container) ([]*api.ContainerUpdate, error) {
	c.stopWaiting()
	c.sizes.replace(&c.listed)
	updates, err := c.Plugin.Synchronize(ctx, pods, ctrs)
	c.listing.Store(err != nil)
	return updates, err
}

// RunPodSandbox does nothing: what a pod is refused for, it is refused for when the
// request is read. That it is here makes the runtime tell of pods.
func (c *connection) RunPodSandbox(context.Context, *api.PodSandbox) error { return nil }

// RemovePodSandbox is the plugin's.
func (c *connection) RemovePodSandbox(ctx context.Context, pod *api.PodSandbox) error {
	c.sizes.removePod(pod.GetId())
	return c.Plugin.RemovePodSandbox(ctx, pod)
}

func (c *connection) stopWaiting() {
	if t := c.waiting.Load(); t != nil {
		t.Stop()
	}
}

func (c *connection) serve(ctx context.Context, opts ...stub.Option) error {
	defer c.stopWaiting()
	select {
	case <-c.again: // has been heeded with this registration
	default:
	}
	opts = append(opts, stub.WithTTRPCOptions(nil, []ttrpc.ServerOpt{ttrpc.WithUnaryServerInterceptor(c.receive)}))
	// A runtime with NRI 0.12.4 or later then fails a request that the plugin
	// does not answer, in the place of going on without it.
	if !c.policy.Load().Audit() {
		opts = append(opts, stub.WithFailurePolicy(&api.FailurePolicy{FailRequest: true}))
	}
	s, closed, err := register(ctx, c, &c.stub, opts...)
	if err != nil {
		return err
	}

	select {
	case <-closed:
		if c.listing.Load() {
			return c.unlisted()
		}
		return errClosed
	case <-c.again:
		c.stop(s)
		return errAgain
	case <-ctx.Done():
		c.stop(s)
		return ctx.Err()
	}
}

// stop ends the connection once the request that is under way has been answered.
func (p *Plugin) stop(s stub.Stub) {
	p.busy.Lock()
	defer p.busy.Unlock()
	time.Sleep(flushTime)
	s.Stop()
}

// register registers handlers, those that NRI's stub finds among methods, and keeps the stub
// where they find it. closed gets a value when the connection ends.
func register(ctx context.Context, handlers any, keep *atomic.Pointer[stub.Stub], opts ...stub.Option) (s stub.Stub, closed <-chan struct{}, err error) {
	ended := make(chan struct{}, 1)
	s, err = stub.New(handlers, append(opts, stub.WithLogger(stubLogger{}), stub.WithOnClose(func() {
		select {
		case ended <- struct{}{}:
		default: // the stub reports a close more than once
		}
	}))...)
	if err != nil {
		return nil, nil, fmt.Errorf("preparing the plugin: %w", err)
	}
	keep.Store(&s)
	// If the runtime goes away between registration and configuration, the
	// stub waits forever and cannot be stopped. It is left behind then.
	start := make(chan error, 1)
	go func() { start <- s.Start(context.WithoutCancel(ctx)) }()
	select {
	case err = <-start:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-time.After(registerTimeout):
		err = errors.New("no answer from the runtime")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("registering with NRI: %w", err)
	}
	return s, ended, nil
}
