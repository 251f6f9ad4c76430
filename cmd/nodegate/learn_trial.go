// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/recorder"
	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/event"
)

// trial runs a pod under a proposal, as often as it takes.
type trial struct {
	*learnOptions
	client     *cri.Client
	to         io.Writer // progress
	containers []string  // the names of those that are looked at
	checkIn    string

	// One of three runs the pod: its copy, if there is one, a command, or somebody else.
	source string   // the sandbox that a copy is made from; "" for none
	ids    []string // of its containers
}

// run runs the pod once, and removes what it has made, whatever happens. The recorder is
// nil where nothing is to be recorded, and closed otherwise.
func (t *trial) run(ctx context.Context, c *config.Config, p *suggested, by *recorder.Recorder) (a *attempt, seen *evidence.Recording, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if by != nil {
		defer func() { err = errors.Join(err, by.Close()) }()
	}
	a = &attempt{trial: t, cancel: cancel, ended: map[string]cri.Ended{}, began: time.Now()}
	before, err := t.sandboxes(ctx)
	if err != nil {
		return a, nil, err
	}
	a.skip = before
	end, err := a.answer(ctx, c, p)
	if err != nil {
		return a, nil, err
	}
	defer func() { err = errors.Join(err, a.remove(ctx), end()) }()
	if err := a.bring(ctx, p); err != nil {
		return a, nil, err
	}
	if by != nil {
		seen, err = t.record(ctx, io.Discard, during{recorder: by, skip: a.skip, begun: a.start, done: a.done})
	} else {
		err = a.await(ctx)
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return a, seen, cause // the trial itself failed, and not what it tries
	}
	if err == nil { // Ctrl-C may have come before the last look
		_, err = a.done(context.WithoutCancel(ctx))
	}
	if err == nil && a.sandbox == "" {
		err = fmt.Errorf("waited for %s on this node: none came", t.target())
	}
	return a, seen, err
}

// sandboxes are the ids of the pod's.
func (t *trial) sandboxes(ctx context.Context) (ids []string, err error) {
	namespace, pod, _ := strings.Cut(t.pod, "/")
	all, err := t.client.Sandboxes(ctx, namespace, pod, nil)
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids, err
}

// answer has this process answer the runtime for the pod, before the node's agent.
func (a *attempt) answer(ctx context.Context, c *config.Config, p *suggested) (end func() error, err error) {
	index, err := strconv.Atoi(c.NRI.Index)
	if err != nil || index == 0 {
		return nil, fmt.Errorf("nri.index %q leaves no index before the agent's, which a trial needs: write one from 01 to 99", c.NRI.Index)
	}
	if err := log.SetLevel("error"); err != nil {
		return nil, err
	}
	node, err := openNode(ctx, c)
	if err != nil {
		return nil, err
	}
	plug := plugin.New(c.Policy, node)
	plug.Observe(func(_ context.Context, e *event.Event) {
		if e.Result == event.Refused {
			text := fmt.Sprintf("container %q %s", e.Container, e.Text)
			a.refused.Store(&text)
		}
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx)) // until the pod is gone
	ready, ended := make(chan struct{}), make(chan error, 1)
	namespace, pod, _ := strings.Cut(a.pod, "/")
	go func() {
		err := plug.RunTrial(ctx, plugin.Endpoint{Socket: c.NRI.Socket, Index: fmt.Sprintf("%02d", index-1)},
			plugin.Trial{Namespace: namespace, Pod: pod, Requests: p.requests()}, func() { close(ready) })
		if err != nil {
			a.cancel(err)
		}
		ended <- err
	}()
	end = func() error {
		stop()
		err := <-ended
		node.Close()
		return err
	}
	select {
	case <-ready:
		return end, nil
	case err := <-ended:
		ended <- err
		return nil, end()
	}
}

// bring sees to it that the pod comes.
func (a *attempt) bring(ctx context.Context, p *suggested) (err error) {
	switch {
	case a.rerun != "":
		cmd := exec.CommandContext(ctx, "sh", "-c", a.rerun) //nolint:gosec // the administrator's own
		cmd.Stdout, cmd.Stderr = a.to, a.to
		go func() {
			if err := cmd.Run(); err != nil {
				a.cancel(fmt.Errorf("running %q: %w", a.rerun, err))
			}
		}()
	case a.source != "":
		if a.copy, err = a.client.CopyPod(ctx, a.source, a.ids, p.copied()); err != nil {
			return err
		}
		if err = a.copy.Run(ctx); err == nil {
			a.sandbox = a.copy.ID
		}
		return err
	default:
		fmt.Fprintf(a.to, "waiting for pod %q, privileged no more: %s\n", a.pod, strings.Join(p.changes, "; "))
	}
	return nil
}

// start starts the containers of a copy.
func (a *attempt) start(ctx context.Context) {
	if a.copy == nil {
		return
	}
	if err := a.copy.Start(ctx); err != nil && a.refused.Load() == nil {
		text := err.Error()
		if ctx.Err() != nil {
			text = "Ctrl-C came before it had started"
		}
		a.refused.Store(&text)
	}
}

// await is what a recording does without one.
func (a *attempt) await(ctx context.Context) error {
	a.start(ctx)
	for until := time.Now().Add(a.length); time.Now().Before(until); {
		switch done, err := a.done(ctx); {
		case ctx.Err() != nil: // Ctrl-C
			return nil
		case done || err != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// remove removes the copy, also after Ctrl-C.
func (a *attempt) remove(ctx context.Context) error {
	if a.copy == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return a.copy.Remove(ctx)
}
