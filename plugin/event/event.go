// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package event is what the agent reports: what came of a container, how the
// agent stands with the runtime, and counters. It is apart from the agent so
// that observers link no NRI.
package event

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nodegate/nodegate/plugin/policy"
)

// Result is what came of a container. The set is closed.
type Result string

// What can come of a container that a policy concerns.
const (
	Adjusted Result = "adjusted" // it got profiles
	Refused  Result = "refused"
	Nothing  Result = "nothing"  // it runs under the wrapper, and no grant concerns it
	Outdated Result = "outdated" // it runs without what today's policy would give it
)

// Event is what came of one container, for the observers: the log, metrics, the
// audit log. In audit mode it is what would have come of it. It is
// the content of an audit line, hence the JSON names. Nobody changes it.
//
// What a pod's author wrote is cut; each string has at most maxText bytes.
type Event struct {
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
	Profiles    []string    `json:"profiles,omitempty"` // given, or missing
	Changes     []string    `json:"changes,omitempty"`  // in short
	Code        policy.Code `json:"code,omitempty"`     // why it is refused or outdated
	Subject     string      `json:"subject,omitempty"`  // what that is about: a profile, a device, an annotation
	Text        string      `json:"text,omitempty"`     // the same as a sentence
	Remedy      string      `json:"remedy,omitempty"`   // what to do about it, the end of the first reason
	Policy      string      `json:"policy"`             // its hash

	Took    time.Duration   `json:"-"` // to decide; 0 for what was not decided
	Reasons []policy.Reason `json:"-"` // the decision's trail
}

// Observer is told each event, within the runtime's request: it must not block.
// Unmatched containers have no events.
type Observer func(context.Context, *Event)

// The most bytes of a name and of a sentence.
const (
	MaxName = 256
	MaxText = 2048
)

// New is an event of a container, without what came of it.
func New(pol *policy.Policy, r *policy.Request, podID, containerID string) *Event {
	return &Event{Time: time.Now(), Audit: pol.Audit(), Policy: pol.Hash(),
		Namespace: Shorten(r.Namespace, MaxName), Pod: Shorten(r.Pod, MaxName), Container: Shorten(r.Container, MaxName),
		PodID: Shorten(podID, MaxName), ContainerID: Shorten(containerID, MaxName), Handler: Shorten(r.Handler, MaxName), Asked: pol.Asked(r)}
}

// Fail notes why the container is refused or outdated.
func (e *Event) Fail(result Result, err error) {
	e.Result, e.Code, e.Text = result, policy.Internal, Shorten(err.Error(), MaxText)
	if refusal := (*policy.Refusal)(nil); errors.As(err, &refusal) {
		e.Code, e.Subject, e.Remedy = refusal.Code, Shorten(refusal.Subject, MaxName), Shorten(refusal.Remedy, MaxName)
	}
}

// Shorten cuts what a pod's author may have written.
func Shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-len("…")], "") + "…"
}

// Resource is a profile as the kubelet is told of it.
type Resource struct {
	Name       string `json:"name"`             // "nodegate.dev/kvm"
	Units      int    `json:"units"`            // that there are
	Healthy    int    `json:"healthy"`          // of them, which can be had
	Registered bool   `json:"registered"`       // with the kubelet
	Why        string `json:"why,omitempty"`    // none can be had
	Unsure     string `json:"unsure,omitempty"` // what is not known that they take
}

// Profile is a profile of the policy, and whether the node can give it to any container.
type Profile struct {
	Name    string `json:"name"`
	Granted bool   `json:"granted"` // a grant names it
	Carried bool   `json:"carried"`
	Why     string `json:"why,omitempty"`    // it is not carried
	Unsure  string `json:"unsure,omitempty"` // what could not be told; it counts as carried
}
