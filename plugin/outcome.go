// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
)

// Result is what came of a container. The set is closed.
type Result string

// What can come of a container that a policy concerns.
const (
	Adjusted Result = "adjusted" // it got profiles
	Refused  Result = "refused"
	Nothing  Result = "nothing" // it runs under the wrapper, and no grant concerns it
	Lacking  Result = "lacking" // it runs without what the policy would give it
)

// Outcome is what came of one container, for whoever tells others: the log,
// metrics, the audit log. In audit mode it is what would have come of it. It is
// the content of an audit line, hence the JSON names. Nobody changes it.
//
// What a pod's author wrote is cut; each string has at most maxText bytes.
type Outcome struct {
	Time        time.Time   `json:"time"`
	Result      Result      `json:"result"`
	Audit       bool        `json:"auditMode,omitempty"`
	Namespace   string      `json:"namespace"`
	Pod         string      `json:"pod"`
	Container   string      `json:"container"`
	PodID       string      `json:"podId"`
	ContainerID string      `json:"containerId"`
	Handler     string      `json:"handler"`            // "" is the runtime's default
	Asked       string      `json:"asked,omitempty"`    // the annotation's value
	Profiles    []string    `json:"profiles,omitempty"` // given, or lacking
	Changes     []string    `json:"changes,omitempty"`  // in short
	Code        policy.Code `json:"code,omitempty"`     // why it is refused or lacking
	Text        string      `json:"text,omitempty"`     // the same as a sentence
	Policy      string      `json:"policy"`             // its hash

	Took    time.Duration   `json:"-"` // to decide; 0 for what was not decided
	Reasons []policy.Reason `json:"-"` // the decision's trail
}

const (
	maxName    = 256  // bytes of a name
	maxText    = 2048 // bytes of a sentence
	maxChanges = 32
)

// Listener is told each outcome, within the runtime's request: it must not
// block. Containers that no grant concerns have none.
type Listener func(context.Context, *Outcome)

// Listen adds listeners. It is for before Run.
func (p *Plugin) Listen(l ...Listener) { p.listeners = append(p.listeners, l...) }

// report counts the outcome and tells everybody. In audit mode that is all
// there is.
func (p *Plugin) report(ctx context.Context, pol *policy.Policy, w *work, err error) {
	o := w.outcome(pol, err)
	switch o.Result {
	case Refused:
		p.stats.Refused.Add(1)
	case Adjusted:
		p.stats.Adjusted.Add(1)
	default:
		p.stats.Unconcerned.Add(1)
	}
	p.tell(ctx, o)
}

func (p *Plugin) tell(ctx context.Context, o *Outcome) {
	logOutcome(ctx, o)
	for _, l := range p.listeners {
		l(ctx, o)
	}
}

func (w *work) outcome(pol *policy.Policy, err error) *Outcome {
	o := newOutcome(pol, &w.request, w.podID, w.containerID)
	o.Profiles, o.Changes, o.Reasons = w.plan.Decision.Profiles, brief(&w.plan.Decision.Adjustment), w.plan.Decision.Reasons
	if !w.started.IsZero() {
		o.Took = o.Time.Sub(w.started)
	}
	switch {
	case err != nil:
		o.fail(Refused, err)
		o.Changes = nil
	case len(w.plan.Decision.Profiles) == 0:
		o.Result = Nothing
	default:
		o.Result = Adjusted
	}
	return o
}

func newOutcome(pol *policy.Policy, r *policy.Request, podID, containerID string) *Outcome {
	return &Outcome{Time: time.Now(), Audit: pol.Audit(), Policy: pol.Hash(),
		Namespace: shorten(r.Namespace, maxName), Pod: shorten(r.Pod, maxName), Container: shorten(r.Container, maxName),
		PodID: shorten(podID, maxName), ContainerID: shorten(containerID, maxName), Handler: shorten(r.Handler, maxName), Asked: pol.Asked(r)}
}

func (o *Outcome) fail(result Result, err error) {
	o.Result, o.Code, o.Text = result, policy.Internal, shorten(err.Error(), maxText)
	if refusal := (*policy.Refusal)(nil); errors.As(err, &refusal) {
		o.Code = refusal.Code
	}
}

// logNearMiss names an annotation that was meant for the agent and asks for nothing.
func logNearMiss(ctx context.Context, r *policy.Request, key, meant string) {
	log.G(ctx).WithFields(log.Fields{"namespace": r.Namespace, "pod": r.Pod, "container": r.Container, "annotation": shorten(key, maxName)}).
		Warnf("the annotation asks for nothing: write %s", shorten(meant, maxName))
}

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-len("…")], "") + "…"
}

// logOutcome writes the outcome to the agent's log.
func logOutcome(ctx context.Context, o *Outcome) {
	l := log.G(ctx).WithFields(log.Fields{"namespace": o.Namespace, "pod": o.Pod, "container": o.Container})
	done, refused := "adjusted", ""
	if o.Audit {
		l, done, refused = l.WithField("audit", true), "would be adjusted", "would be refused: "
	}
	for _, r := range o.Reasons {
		level := log.DebugLevel
		if r.Code == policy.CannotOpen {
			level = log.WarnLevel
		}
		l.WithFields(log.Fields{"reason": r.Code, "profile": r.Profile}).Log(level, r.Text)
	}
	switch o.Result {
	case Refused:
		l.WithField("reason", o.Code).Warn(refused + o.Text)
	case Lacking:
		l.WithFields(log.Fields{"reason": o.Code, "id": o.ContainerID}).Warn(o.Text)
	case Adjusted:
		l.WithField("profiles", o.Profiles).Info("container " + done)
	}
}

// brief says in short what an adjustment changes.
func brief(a *change.Adjustment) []string {
	var out []string
	for i, text := range a.Brief() {
		if i == maxChanges {
			return append(out, "and more")
		}
		out = append(out, shorten(text, maxName))
	}
	return out
}
