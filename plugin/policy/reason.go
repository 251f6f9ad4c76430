// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "fmt"

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
	Internal       Code = "internal"        // the node failed at its part
	Unadjusted     Code = "unadjusted"      // no agent's answer reached the container when it was created

	// In a decision's trail.
	Granted Code = "granted"  // a grant gave a profile
	LeftOut Code = "left_out" // a part was not needed or not possible
)

// Reason is one step of the trail that a decision leaves.
type Reason struct {
	Code    Code
	Profile string // "" if it concerns none in particular
	Text    string
}

// Refusal is the answer that a container must not run. Its text is one
// sentence for the pod's author; it reaches the pod's events.
type Refusal struct {
	Code Code
	Text string
}

// Error returns the sentence.
func (r *Refusal) Error() string { return r.Text }

// Refuse makes the refusal of a request: "nodegate: container … of pod … " and
// what the format says.
func (r *Request) Refuse(code Code, format string, args ...any) *Refusal {
	return &Refusal{
		Code: code,
		Text: fmt.Sprintf("nodegate: container %q of pod %s/%s ", r.Container, r.Namespace, r.Pod) +
			fmt.Sprintf(format, args...),
	}
}
