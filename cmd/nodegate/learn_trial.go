// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
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

// attempt is one run of the pod.
type attempt struct {
	*trial
	cancel  context.CancelCauseFunc
	copy    *cri.Copy
	skip    []string // sandboxes that were there before
	sandbox string
	ended   map[string]cri.Ended // by the container's name
	refused atomic.Pointer[string]
	checked bool
	asked   time.Time // when the check ran last
	began   time.Time
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
		a.refused.Store(&text)
	}
}

// await is what a recording does without one.
func (a *attempt) await(ctx context.Context) error {
	a.start(ctx)
	for until := time.Now().Add(a.length); time.Now().Before(until); {
		if done, err := a.done(ctx); done || err != nil {
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

// done looks how the pod is, and reports whether that is enough.
func (a *attempt) done(ctx context.Context) (bool, error) {
	if a.refused.Load() != nil {
		return true, nil
	}
	if a.sandbox == "" {
		all, err := a.sandboxes(ctx)
		if err != nil {
			return false, err
		}
		all = slices.DeleteFunc(all, func(id string) bool { return slices.Contains(a.skip, id) })
		if len(all) == 0 {
			return false, nil
		}
		a.sandbox = all[0]
	}
	all, err := a.client.List(ctx)
	if err != nil {
		return false, err
	}
	for i := range all {
		c := &all[i]
		if c.PodID != a.sandbox || !slices.Contains(a.containers, c.Name) || a.ended[c.Name].Ended {
			continue
		}
		// A container that the kubelet removes meanwhile is followed by another one.
		if a.ended[c.Name], err = a.client.Ended(ctx, c.ID); err == nil && c.Name == a.checkIn {
			a.tryCheck(ctx, c.ID)
		}
	}
	over := 0
	for _, e := range a.ended {
		if e.Ended {
			over++
		}
	}
	return a.checked || over == len(a.containers), nil
}

// tryCheck runs the check, once a second.
func (a *attempt) tryCheck(ctx context.Context, id string) {
	if a.succeeds == "" || a.ended[a.checkIn].Ended || time.Since(a.asked) < time.Second {
		return
	}
	a.asked = time.Now()
	code, err := a.client.Exec(ctx, id, argv(a.succeeds)...)
	a.checked = err == nil && code == 0 // else the container does not run yet, or is not ready
}

// argv is a command as it is executed: by a shell only if it takes one, which not every image
// has.
func argv(command string) []string {
	if strings.ContainsAny(command, "\"'`$|&;<>()*?[]{}~#\\\n") {
		return []string{"sh", "-c", command}
	}
	return strings.Fields(command)
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

// works reports whether all works, as far as that is known, and what was seen.
func (a *attempt) works() (works bool, seen string) {
	if text := a.refused.Load(); text != nil {
		return false, *text
	}
	if a.succeeds != "" {
		if a.checked {
			return true, "the check succeeds"
		}
		seen = "the check does not succeed: "
	}
	var states []string
	works = a.succeeds == ""
	for _, name := range a.containers {
		state := a.state(name)
		works = works && state == "ended with status 0"
		if len(a.containers) > 1 {
			state = fmt.Sprintf("container %q %s", name, state)
		}
		states = append(states, state)
	}
	return works, seen + strings.Join(states, ", ")
}

// state is how a container is, in words.
func (a *attempt) state(name string) string {
	e, came := a.ended[name]
	switch {
	case !came:
		return "did not start"
	case e.Ended && e.Message != "":
		return fmt.Sprintf("ended with status %d: %s", e.Code, evidence.Printable(e.Message))
	case e.Ended:
		return fmt.Sprintf("ended with status %d", e.Code)
	}
	return "went on"
}
