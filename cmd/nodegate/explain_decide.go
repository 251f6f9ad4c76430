// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/oci"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// explainer decides about containers as the agent would.
type explainer struct {
	config      *config.Config
	host        *host.Host
	hostNote    string // that it is not where the policy says; or ""
	options     *explainOptions
	runtime     runtimes.Runtime
	runtimeFrom string
}

// subject is a container and all that is known of it.
type subject struct {
	facts      policy.Facts
	privileged bool
	// seccomp and spec are what it has of its own; denied are the system calls
	// that the decision denies.
	seccomp func(denied []string) *specs.LinuxSeccomp
	spec    func(denied []string) ([]byte, error)
}

// outcome is what an explanation is made of.
type outcome struct {
	explained     containerReport
	decision      policy.Decision
	before, after []byte // the OCI spec
}

// decide takes the agent's steps one by one and keeps what each of them says.
func (e *explainer) decide(s *subject) (outcome, error) {
	pol, req := e.config.Policy, &s.facts.Request
	out := outcome{explained: containerReport{Name: req.Container, Result: unchanged}}
	for _, m := range pol.Explain(req) {
		out.explained.Grants = append(out.explained.Grants, grantReport{m.Grant.Source, m.Profile, m.Verdict, m.Why})
	}
	for _, key := range pol.Unread(req) {
		out.explained.Reasons = append(out.explained.Reasons,
			fmt.Sprintf("annotation %q: it is for another tool, and no grant accepts it in namespace %q", key, req.Namespace))
	}
	sel, wrong := pol.Select(req)
	if wrong != nil {
		sel = policy.Rest(wrong)
	}
	if sel.Empty() {
		return out, out.explained.refused(wrong)
	}
	out.explained.Profiles = sel.Profiles()
	maps := s.facts.Host
	s.facts.Host = plugin.HostFacts(e.host, sel, &s.facts.Container)
	s.facts.Host.UIDMap, s.facts.Host.GIDMap = maps.UIDMap, maps.GIDMap
	if s.privileged {
		s.addNodes()
	}
	decision, err := pol.Decide(sel, &s.facts)
	if err != nil {
		decision.Adjustment = policy.Partial(err)
	}
	out.decision, wrong = decision, policy.Together(wrong, err)
	for _, r := range out.decision.Reasons {
		switch r.Code {
		case policy.Granted:
		case policy.CannotOpen:
			out.explained.Warnings = append(out.explained.Warnings, r.Text)
		default:
			out.explained.Reasons = append(out.explained.Reasons, r.Text)
		}
	}
	a := &out.decision.Adjustment
	denied := deniedCalls(a)
	deliveries, err := plugin.Deliver(e.runtime, pol, req, out.explained.Profiles, a, s.seccomp(denied))
	for _, d := range deliveries {
		out.explained.Changes = append(out.explained.Changes, changeReport{Only: &d.Only, Field: d.Field, Change: d.Text, By: d.By})
	}
	if wrong = policy.Together(wrong, err); wrong != nil {
		return out, out.explained.refused(wrong)
	}
	if !a.Empty() {
		out.explained.Result = adjusted
	}
	if out.before, err = s.spec(denied); err != nil {
		return out, err
	}
	out.after, err = oci.Apply(out.before, inSpec(a))
	return out, err
}

// refused notes a refusal; another error is returned.
func (c *containerReport) refused(err error) error {
	var refusal *policy.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	c.Result, c.Refusal = refused, &refusalReport{Code: refusal.Code, Text: refusal.Text}
	for _, also := range refusal.Also {
		c.Refusal.Also = append(c.Refusal.Also, refusalReport{Code: also.Code, Text: also.Text})
	}
	return nil
}

// addNodes adds the devices of a privileged container, which has every node of
// the host, as far as the policy names them.
func (s *subject) addNodes() {
	for _, look := range s.facts.Host.Devices {
		for _, n := range look.Nodes {
			s.facts.Container.Devices = append(s.facts.Container.Devices,
				specs.LinuxDevice{Path: n.Path, Type: n.Type, Major: n.Major, Minor: n.Minor})
		}
	}
}

func deniedCalls(a *policy.Adjustment) []string {
	var names []string
	for _, r := range a.Seccomp {
		for _, name := range r.Syscalls {
			if r.Denies() && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// inSpec is the part of an adjustment that shows in the OCI spec: not what is
// done on the node, nor what a CDI device's name stands for.
func inSpec(a *policy.Adjustment) *policy.Adjustment {
	out := *a
	out.CDIDevices, out.Cgroup = nil, nil
	return &out
}

// pretty indents a spec, its members in the order in which they are.
func pretty(spec []byte) (string, error) {
	var value json.RawMessage = spec
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return "", fmt.Errorf("reading the OCI spec: %w", err)
	}
	return string(text) + "\n", nil
}

// inSpec reports whether the change shows in the OCI spec.
func (c *changeReport) inSpec() bool {
	return c.Field != change.NodeField && c.Field != change.CDIField
}
