// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/policy"
)

const maxChanges = 32

// Observe adds observers. It is for before Run.
func (p *Plugin) Observe(o ...event.Observer) { p.observers = append(p.observers, o...) }

// report counts the event and tells everybody. In audit mode that is all
// there is.
func (p *Plugin) report(ctx context.Context, pol *policy.Policy, w *work, err error) {
	o := w.event(pol, err)
	switch o.Result {
	case event.Refused:
		p.stats.Refused.Add(1)
	case event.Adjusted:
		p.stats.Adjusted.Add(1)
	default:
		p.stats.Unmatched.Add(1)
	}
	p.tell(ctx, o)
}

func (p *Plugin) tell(ctx context.Context, o *event.Event) {
	event.Log(ctx, o)
	for _, l := range p.observers {
		l(ctx, o)
	}
}

func (w *work) event(pol *policy.Policy, err error) *event.Event {
	o := event.New(pol, &w.request, w.podID, w.containerID)
	o.Profiles, o.Changes, o.Reasons = w.plan.Decision.Profiles, brief(&w.plan.Decision.Adjustment), w.plan.Decision.Reasons
	if !w.started.IsZero() {
		o.Took = o.Time.Sub(w.started)
	}
	switch {
	case err != nil:
		o.Fail(event.Refused, err)
		o.Changes = nil
	case len(w.plan.Decision.Profiles) == 0:
		o.Result = event.Nothing
	default:
		o.Result = event.Adjusted
	}
	return o
}

// logNearMiss names what was meant for the agent and asks for nothing.
func logNearMiss(ctx context.Context, r *policy.Request, what, meant string) {
	log.G(ctx).WithFields(log.Fields{"namespace": r.Namespace, "pod": r.Pod, "container": r.Container}).
		Warnf("the pod's %s asks for nothing: write %s", what, event.Shorten(meant, event.MaxName))
}

// brief says in short what an adjustment changes.
func brief(a *change.Adjustment) []string {
	var out []string
	for i, text := range a.Brief() {
		if i == maxChanges {
			return append(out, "and more")
		}
		out = append(out, event.Shorten(text, event.MaxName))
	}
	return out
}
