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
	"github.com/nodegate/nodegate/plugin/resource"
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
	offered     []resource.Offer // see offers
}

// subject is a container that is explained, and all that is known of it.
type subject struct {
	request   policy.Request
	container func(found *policy.Host) policy.Container
	idMaps    func() (uid, gid policy.Known[[]specs.LinuxIDMapping])
	// seccomp and spec are what it has of its own; denied are the system calls
	// that the decision denies.
	seccomp func(denied []string) *specs.LinuxSeccomp
	spec    func(denied []string) ([]byte, error)
}

func (s *subject) Container(found *policy.Host) policy.Container { return s.container(found) }

func (s *subject) IDMaps() (uid, gid policy.Known[[]specs.LinuxIDMapping]) { return s.idMaps() }

func (s *subject) Seccomp(a *change.Adjustment) *specs.LinuxSeccomp { return s.seccomp(deniedCalls(a)) }

// explanation is one container explained, with what the report is made of.
type explanation struct {
	explained     containerReport
	decision      policy.Decision
	before, after []byte // the OCI spec
}

// decide does what the agent does, and keeps what it says for people.
func (e *explainer) decide(s *subject) (explanation, error) {
	pol, req := e.config.Policy, &s.request
	out := explanation{explained: containerReport{Name: req.Container, Result: unchanged}}
	for _, m := range pol.Explain(req) {
		out.explained.Grants = append(out.explained.Grants, grantReport{m.Grant.Source, m.Profile, m.Verdict, m.Why})
	}
	for _, key := range pol.Unread(req) {
		out.explained.Reasons = append(out.explained.Reasons,
			fmt.Sprintf("annotation %q: it is for another tool, and no grant accepts it in namespace %q", key, req.Namespace))
	}
	plan, err := e.plan(s)
	out.decision = plan.Decision
	if plan.Selection.Empty() {
		return out, out.explained.refused(err)
	}
	out.explained.Profiles = plan.Selection.Profiles()
	for _, r := range plan.Decision.Reasons {
		switch {
		case r.Code == policy.Granted:
		case r.Code.Warns():
			out.explained.Warnings = append(out.explained.Warnings, r.Text)
		default:
			out.explained.Reasons = append(out.explained.Reasons, r.Text)
		}
	}
	for _, d := range plan.Deliveries(pol.Wrapped(req.Handler)) {
		out.explained.Changes = append(out.explained.Changes, changeReport{Only: &d.Only, Field: d.Field, Change: d.Text, By: d.By})
	}
	if err != nil {
		return out, out.explained.refused(err)
	}
	a := &out.decision.Adjustment
	if !a.Empty() {
		out.explained.Result = adjusted
	}
	if out.before, err = s.spec(deniedCalls(a)); err != nil {
		return out, err
	}
	out.after, err = oci.Apply(out.before, inSpec(a))
	return out, err
}

// plan is the agent's decision, and what the kubelet has to say before it.
func (e *explainer) plan(s *subject) (plugin.Plan, error) {
	plan, err := plugin.Decide(e.config.Policy, &e.runtime, e.host, &s.request, func() plugin.Subject { return s })
	if err != nil || !plan.Selection.Empty() {
		err = policy.Together(e.noUserNamespaces(&s.request), err)
	}
	return plan, err
}

// refused notes a refusal; another error is returned.
func (c *containerReport) refused(err error) error {
	var refusal *policy.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	c.Result, c.Refusal = refused, refusal
	return nil
}

// withNodes adds the devices of a privileged container, which has every node of
// the host, as far as the policy names them.
func withNodes(c policy.Container, found *policy.Host) policy.Container {
	for _, look := range found.Devices {
		for _, n := range look.Nodes {
			c.Devices = append(c.Devices, specs.LinuxDevice{Path: n.Path, Type: n.Type, Major: n.Major, Minor: n.Minor})
		}
	}
	return c
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
