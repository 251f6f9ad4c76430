// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/recorder"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
)

// learning is a recording that is under way.
type learning struct {
	*learnOptions
	during
	client *cri.Client
	out    *evidence.Recording
	view   *learnView
	links  map[string]host.Links // of the node's devices
	pods   []string              // ids of their sandboxes
	only   string                // the id of the only container that is recorded, or ""
	seen   map[uint64]*seenContainer
}

// during is what else goes on while a recording runs: nothing, or a trial.
type during struct {
	recorder *recorder.Recorder                  // that has started, and is somebody else's to close; nil for an own one
	skip     []string                            // sandboxes of pods that are not recorded
	begun    func(context.Context)               // called once all is recorded
	done     func(context.Context) (bool, error) // reports whether that is enough; nil for never
}

// seenContainer is a container by its cgroup. It has its name when the runtime knows it.
type seenContainer struct {
	evidence.Container
	asked  time.Time // for its name
	cgroup bool      // a file of it was shown
}

// record records what is asked for until a time or until ctx ends, and shows how it goes.
func (o *learnOptions) record(ctx context.Context, to io.Writer, d during) (r *evidence.Recording, err error) {
	l := &learning{learnOptions: o, during: d, seen: map[uint64]*seenContainer{}, view: newLearnView(to)}
	// First, since a node that lets nobody observe needs no runtime to say so.
	if l.recorder == nil {
		if l.recorder, err = recorder.Start(); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, l.recorder.Close()) }()
	}
	if l.client, err = cri.Connect(o.endpoint); err != nil {
		return nil, err
	}
	defer l.client.Close()
	node, err := host.New("/", "/dev/.udev/nodegate")
	if err != nil {
		return nil, err
	}
	l.links = node.Links()
	_ = node.Close() // read only
	if err := l.await(ctx); err != nil {
		return nil, err
	}
	l.out = &evidence.Recording{Recorder: "nodegate " + version, From: time.Now().UTC(), NotRecorded: l.recorder.Missing}
	until := l.out.From.Add(o.length)
	l.view.say("recording %s until %s or Ctrl-C", o.target(), until.Local().Format(time.TimeOnly))
	if l.begun != nil {
		l.begun(ctx)
	}
	return l.out, l.run(ctx, until)
}

// target is what the user has named.
func (o *learnOptions) target() string {
	switch {
	case o.container != "":
		return fmt.Sprintf("container %q", o.container)
	case o.pod != "":
		return fmt.Sprintf("pod %q", o.pod)
	}
	return fmt.Sprintf("pods of namespace %q with labels %q", o.namespace, o.selector)
}

// await finds what to record. A pod is waited for, as long as it would be recorded.
func (l *learning) await(ctx context.Context) error {
	if l.container != "" {
		return l.findContainer(ctx)
	}
	for began := time.Now(); ; {
		if err := l.findPods(ctx); err != nil || len(l.pods) > 0 {
			return err
		}
		l.view.once("waiting for %s on this node", l.target())
		if time.Since(began) > l.length {
			return fmt.Errorf("waited for %s on this node: none came within %s", l.target(), l.length)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s on this node: none came", l.target())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// findContainer finds the container that is named by its id or its name.
func (l *learning) findContainer(ctx context.Context) error {
	all, err := l.client.List(ctx)
	if err != nil {
		return err
	}
	named := slices.DeleteFunc(all, func(c cri.Container) bool { return c.Name != l.container || !l.recorder.Runs(c.ID) })
	switch len(named) {
	case 0:
		if l.only, err = findContainer(ctx, l.client, l.container); err != nil {
			return fmt.Errorf("no container that runs is named %q, and %w", l.container, err)
		}
	case 1:
		l.only = named[0].ID
	default:
		return fmt.Errorf("%d containers are named %q: write the id, or --pod %s/%s", len(named), l.container, named[0].Namespace, named[0].Pod)
	}
	at, err := l.recorder.Container(l.only)
	if err != nil {
		return fmt.Errorf("container %s does not run: name its pod by --pod, which is recorded when it starts again: %w", l.only, err)
	}
	l.seen[at] = &seenContainer{Container: evidence.Container{ID: l.only}}
	return nil
}

// findPods finds the pods that are new: their containers to come, and those that run.
func (l *learning) findPods(ctx context.Context) error {
	namespace, pod, _ := strings.Cut(l.pod, "/")
	found, err := l.client.Sandboxes(ctx, cmp.Or(namespace, l.namespace), pod, l.selector)
	if err != nil {
		return err
	}
	for _, p := range found {
		if slices.Contains(l.pods, p.ID) || slices.Contains(l.skip, p.ID) {
			continue
		}
		if err := l.recorder.Pod(p.ID); err != nil {
			return err
		}
		l.pods = append(l.pods, p.ID)
		all, err := l.client.List(ctx)
		if err != nil {
			return err
		}
		for i := range all {
			if all[i].PodID != p.ID {
				continue
			}
			// Without a cgroup it does not run, and is seen when it starts.
			if at, err := l.recorder.Container(all[i].ID); err == nil && l.seen[at] == nil {
				l.seen[at] = &seenContainer{Container: evidence.Container{ID: all[i].ID}}
			}
		}
	}
	return nil
}

// run reads events until the end, and then what is left of them.
func (l *learning) run(ctx context.Context, until time.Time) error {
	for ctx.Err() == nil && time.Now().Before(until) {
		if err := l.read(min(time.Until(until), 100*time.Millisecond)); err != nil {
			return err
		}
		l.name(ctx, time.Second)
		if l.only != "" && !l.recorder.Runs(l.only) {
			l.view.say("the container has ended")
			break
		}
		if l.only == "" && ctx.Err() == nil {
			if err := l.findPods(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
		if l.done != nil {
			if done, err := l.done(ctx); done || err != nil && ctx.Err() == nil {
				if err != nil {
					return err
				}
				break
			}
		}
		l.view.count(l.out.From, l.seen, l.recorder.Lost)
	}
	if err := l.recorder.Stop(); err != nil {
		return err
	}
	if err := l.read(0); err != nil {
		return err
	}
	l.name(context.WithoutCancel(ctx), 0)
	l.view.end()
	return l.finish()
}

// finish puts together what was recorded.
func (l *learning) finish() error {
	calls, err := l.recorder.Calls()
	if err != nil {
		return err
	}
	for cgroup, c := range l.seen {
		if names := calls[cgroup]; len(names) > 0 {
			c.Add(evidence.Event{Type: evidence.Calls, Names: names})
		}
		if c.Name != "" {
			l.out.Containers = append(l.out.Containers, &c.Container)
		} else if len(c.Events) > 0 {
			l.out.NotRecorded = append(l.out.NotRecorded, "container "+c.ID+", which was gone before the runtime told its name")
		}
	}
	slices.SortFunc(l.out.Containers, func(a, b *evidence.Container) int {
		return cmp.Or(strings.Compare(a.Pod, b.Pod), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	l.out.To, l.out.Ended = time.Now().UTC(), true
	l.out.Lost, err = l.recorder.Lost()
	return err
}

// containerID is how runtimes put a container into the name of its cgroup.
var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

// read reads events for a time, or all that are there: none come once it is stopped.
func (l *learning) read(d time.Duration) error {
	for until := time.Now().Add(d); d == 0 || time.Now().Before(until); {
		e, err := l.recorder.Next(until)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		c := l.seen[e.Cgroup()]
		if made := e.Made(); made != "" {
			if id := containerID.FindString(made); id != "" && c == nil && !slices.Contains(l.pods, id) {
				l.seen[e.Cgroup()] = &seenContainer{Container: evidence.Container{ID: id, FromStart: true}}
			} else if c != nil {
				c.FromStart = true
			}
			continue
		}
		if c == nil {
			continue
		}
		found := e.Evidence()
		found.Node = l.onNode(found.Device)
		if c.Add(found) {
			l.view.found(c, &found)
		}
	}
	return nil
}

// name asks the runtime about containers that have no name yet, each once in a time.
func (l *learning) name(ctx context.Context, every time.Duration) {
	for _, c := range l.seen {
		if c.Name != "" || time.Since(c.asked) < every {
			continue
		}
		c.asked = time.Now()
		if got, err := l.client.Container(ctx, c.ID); err == nil { // else the runtime does not know it yet
			c.Namespace, c.Pod, c.Name, c.Privileged = got.Namespace, got.Pod, got.Name, privileged(got.Spec)
		}
	}
}

// onNode is the path of a device on the node that lasts longest; "" for one that the
// node does not have.
func (l *learning) onNode(device string) string {
	kind, numbers, _ := strings.Cut(device, " ")
	dir := map[string]string{"c": "char", "b": "block"}[kind]
	if dir == "" {
		return ""
	}
	uevent, _ := os.ReadFile("/sys/dev/" + dir + "/" + numbers + "/uevent") // "": the device is gone
	for line := range strings.Lines(string(uevent)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "DEVNAME="); ok {
			at := "/dev/" + name
			return l.links[at].Stable(policy.HostDevice{Resolved: at})
		}
	}
	return ""
}
