// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"slices"
)

// Code classifies a reason or a refusal, for metrics and for tests. The set is
// closed, so that it can be a metric's label.
type Code string

// What a decision can say.
const (
	// In a refusal.
	BadRequest     Code = "bad_request"     // the annotation does not parse
	UnknownProfile Code = "unknown_profile" // no profile has the name
	NotGranted     Code = "not_granted"     // no grant gives it to this container
	Unmet          Code = "unmet"           // a profile requires what does not hold
	Conflict       Code = "conflict"        // two sources disagree on one value
	NoDevice       Code = "no_device"       // the node has no such device
	BadDevice      Code = "bad_device"      // a path is not a usable device
	Occupied       Code = "occupied"        // the pod has something at the path already
	UnknownFact    Code = "unknown_fact"    // the runtime does not tell what is needed
	Unmapped       Code = "unmapped"        // an id has no place in the pod's id map
	HostNamespace  Code = "host_namespace"  // a sysctl would be the node's own
	NotCarried     Code = "not_carried"     // neither NRI nor the wrapper can carry it
	TooLarge       Code = "too_large"       // its description is more than a plugin can be told
	NotAllotted    Code = "not_allotted"    // a resource is claimed that the kubelet did not allot
	Internal       Code = "internal"        // the node failed at its part
	DeviceChanged  Code = "device_changed"  // it runs, with a device that has another number now
	Unadjusted     Code = "unadjusted"      // no agent's answer reached the container when it was created

	// In a decision's trail.
	Granted Code = "granted"  // a grant gave a profile
	LeftOut Code = "left_out" // a part was not needed or not possible
	// CannotOpen warns of a device that the container's user gets and cannot open.
	CannotOpen Code = "cannot_open"
	// CannotUse warns of what a container gets and cannot use as the user that it
	// runs as, or with the capabilities that its pod leaves it.
	CannotUse Code = "cannot_use"
	// MayConfine warns of AppArmor, where it denies what a profile gives.
	MayConfine Code = "may_confine"
	// Beyond warns that the container is privileged, so that a denial does not hold it.
	Beyond Code = "beyond"
)

// Warns reports whether an administrator should know of the reason: what a profile
// gives or takes away may have no effect.
func (c Code) Warns() bool {
	return c == CannotOpen || c == CannotUse || c == MayConfine || c == Beyond
}

// Reason is one step of the trail that a decision leaves.
type Reason struct {
	Code    Code
	Profile string // "" if it concerns none in particular
	Text    string
}

// Refusal is the answer that a container must not run, with every reason that is
// known. It is for the pod's author, and reaches the pod's events. The first reason's
// text says who is refused as well; those of Also do not.
type Refusal struct {
	Cause
	Also []Cause `json:"also,omitempty"` // further reasons

	what    string     // the first reason without who is refused
	rest    Selection  // what Select found beside the reasons
	partial Adjustment // what Decide found beside them
}

// Cause is one reason of a refusal.
type Cause struct {
	Code    Code   `json:"code"`
	Subject string `json:"subject,omitempty"` // what it is about: a profile, a device, an annotation
	Text    string `json:"text"`              // a sentence that ends with the remedy
	Remedy  string `json:"remedy,omitempty"`  // what to do about it; "" where the sentence has none
}

// maxSentence bounds what a refusal says, in bytes: a Kubernetes event holds 1,024,
// and the runtime puts its own words before it.
const maxSentence = 900

// Error returns the sentence, each reason with its code.
func (r *Refusal) Error() string { return r.sentence(r.Text) }

func (r *Refusal) sentence(first string) string {
	text := fmt.Sprintf("%s [%s]", first, r.Code)
	for i, also := range r.Also {
		next := fmt.Sprintf("; and %s [%s]", also.Text, also.Code)
		if len(text)+len(next) > maxSentence {
			return fmt.Sprintf("%s; and %d more, see nodegate explain", text, len(r.Also)-i)
		}
		text += next
	}
	return text
}

// Lines are the reasons, each with its code.
func (r *Refusal) Lines() []string {
	lines := []string{fmt.Sprintf("%s [%s]", r.Text, r.Code)}
	for _, also := range r.Also {
		lines = append(lines, fmt.Sprintf("and %s [%s]", also.Text, also.Code))
	}
	return lines
}

// Reasons returns what Error does without who is refused, for readers who know.
func Reasons(err error) string {
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		return refusal.sentence(refusal.what)
	}
	return err.Error()
}

// ByProfiles says which profiles something comes by, after what it is; "" for none.
func ByProfiles(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(" by profile %q", names[0])
	}
	return " by profiles " + listNames(names)
}

// Refuse makes the refusal of a request: "nodegate: container … of pod … " and
// what the format says. The subject is the profile, device, sysctl, annotation or handler
// that it is about; "" if it is about none.
func (r *Request) Refuse(code Code, subject, format string, args ...any) *Refusal {
	what := fmt.Sprintf(format, args...)
	text := fmt.Sprintf("nodegate: container %q of pod %s/%s %s", r.Container, r.Namespace, r.Pod, what)
	return &Refusal{Cause: Cause{Code: code, Subject: subject, Text: text}, what: what}
}

// Advise adds what to do about it, at the end of the sentence.
func (r *Refusal) Advise(format string, args ...any) *Refusal {
	r.Remedy = fmt.Sprintf(format, args...)
	r.Text += ": " + r.Remedy
	r.what += ": " + r.Remedy
	return r
}

// Together is the refusal for all reasons of two, either of which may be nil.
// A reason that both have is there once.
func Together(first, then error) error {
	switch {
	case first == nil:
		return then
	case then == nil:
		return first
	}
	return together(first, then)
}

// together is apart since its variables are allocated, which a container that nothing
// is wrong with does not pay for.
func together(first, then error) error {
	var a, b *Refusal
	if !errors.As(first, &a) || !errors.As(then, &b) {
		return errors.Join(first, then)
	}
	out := *a
	out.Also = slices.Clip(a.Also)
	for _, also := range append([]Cause{{Code: b.Code, Subject: b.Subject, Text: b.what, Remedy: b.Remedy}}, b.Also...) {
		if also.Text != a.what && !slices.Contains(out.Also, also) {
			out.Also = append(out.Also, also)
		}
	}
	return &out
}

// Rest is what a container that Select refuses would get if nothing were in the
// way: what is wrong with that can be said as well.
func Rest(err error) Selection {
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		return refusal.rest
	}
	return Selection{}
}

// Partial is the part of an adjustment that Decide came to before it refused. It
// is not to be carried out.
func Partial(err error) Adjustment {
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		return refusal.partial
	}
	return Adjustment{}
}

// refused returns the refusal with what was found beside its reasons.
func refused(err error, rest Selection, partial Adjustment) error {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	out := *refusal
	out.rest, out.partial = rest, partial
	return &out
}
