// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"fmt"
	"time"

	"github.com/nodegate/nodegate/plugin/event"
)

// Plugin is the agent's NRI plugin, as far as it is asked.
type Plugin interface {
	Observe(observers ...event.Observer)
	State() event.State
	Stats() *event.Stats
	// Containers returns how many containers run on the node, how many of them
	// were given something, and those that are outdated.
	Containers() (all, adjusted int, outdated []*event.Event)
	// OnDisk returns how many decision records there are, and how many containers
	// have shadow nodes.
	OnDisk() (records, shadowed int, err error)
	// Units returns how many units of each profile that is a resource containers have.
	Units() map[string]int
	// Profiles tells which of the policy's profiles the node can give.
	Profiles() []event.Profile
	// LiveNodes returns how many device nodes have appeared in live directories, and how
	// many were taken out of them.
	LiveNodes() (appeared, retired uint64)
}

// Agent is what is asked: the plugin and what is around it.
type Agent struct {
	Plugin  Plugin
	Version string
	Started time.Time
	// Policy tells which policy holds.
	Policy func() Policy
	// AuditErrors returns how many audit lines failed and how many were dropped.
	AuditErrors func() (failed, dropped uint64)
	// Resources tells what there is of each profile that is a resource; nil for nothing.
	Resources func() []event.Resource
}

// Policy is the policy that holds, and what became of one that was to replace it.
type Policy struct {
	Hash     string    `json:"hash"`
	Mode     string    `json:"mode"` // "enforce" or "audit"
	Files    []string  `json:"files"`
	LoadedAt time.Time `json:"loadedAt"`
	// Failed says why the files as they are now do not hold: the last reload
	// failed. "" if it did not.
	Failed   string    `json:"failed,omitempty"`
	FailedAt time.Time `json:"failedAt,omitzero"`
}

// Status is all that is known of an agent: the answer of /status.
type Status struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`

	Ready           bool      `json:"ready"`
	NotReady        string    `json:"notReady,omitempty"` // why
	RegisteredSince time.Time `json:"registeredSince,omitzero"`
	Registrations   uint64    `json:"registrations"`
	Runtime         string    `json:"runtime,omitempty"`

	Policy     Policy     `json:"policy"`
	Containers Containers `json:"containers"`
	Decisions  Decisions  `json:"decisions"`
	// Resources are the profiles that the kubelet is told of.
	Resources []event.Resource `json:"resources,omitempty"`

	// Profiles are all of the policy's, by name.
	Profiles []event.Profile `json:"profiles"`

	Refusals []*event.Event `json:"refusals"` // the last ones, newest first
	Outdated []*event.Event `json:"outdated"` // the outdated containers
}

// Containers counts those of the node that run.
type Containers struct {
	All      int `json:"all"`
	Adjusted int `json:"adjusted"`
	Outdated int `json:"outdated"`
}

// Decisions counts since the agent's start.
type Decisions struct {
	Adjusted  uint64 `json:"adjusted"`
	Refused   uint64 `json:"refused"`
	Unmatched uint64 `json:"unmatched"`
}

// ready says why the agent is not ready; "" if it is. A policy that could not
// be reloaded is no reason: the former one holds, and to take the agent out of
// service for an edit would leave the node without any.
func (a *Agent) ready() string {
	s := a.Plugin.State()
	if s.Since.IsZero() {
		return "not registered with the runtime: " + s.Reason
	}
	return ""
}

// remark is what one who asks should know although the agent is ready.
func (a *Agent) remark() string {
	p := a.Policy()
	if p.Failed == "" {
		return ""
	}
	return fmt.Sprintf("the policy was not reloaded at %s, and policy %s stays: %s", p.FailedAt.Format(time.RFC3339), p.Hash, p.Failed)
}
