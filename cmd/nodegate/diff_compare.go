// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/plugin/policy"
)

// differ decides about pods by two policies: the old one and the new one.
type differ struct {
	sides    [2]*explainer
	cgroupV2 bool // asked once, for all pods
}

// judgement is what a policy comes to for one container.
type judgement struct {
	changes []changeLine
	refusal *policy.Refusal // nil if it may run
}

// changeLine is a change as people see it: which channel delivers it is no difference.
type changeLine struct {
	Field  string `json:"field"`
	Change string `json:"change"`
}

// idle reports whether a policy in audit mode stands for one that does nothing: beside
// another that is enforced, that is what a change of the mode changes.
func (d *differ) idle(side int) bool {
	return d.sides[side].config.Policy.Audit() && !d.sides[1-side].config.Policy.Audit()
}

// pod adds a pod's containers to the report.
func (d *differ) pod(r *diffReport, p *manifest.Pod, classes map[string]string) error {
	if p.Namespace == "" {
		p.Namespace = d.sides[0].options.namespace
	}
	if p.Namespace == "" {
		return noNamespace(p)
	}
	p.CgroupNamespace = d.cgroupV2
	var judged [2][]judgement
	for i, e := range d.sides {
		if d.idle(i) {
			judged[i] = make([]judgement, len(p.Containers))
			continue
		}
		var err error
		if judged[i], err = e.judge(p, classes); err != nil {
			return err
		}
	}
	r.Counts.Pods++
	for i := range p.Containers {
		r.add(p, &p.Containers[i], &judged[0][i], &judged[1][i])
	}
	return nil
}

// judge decides about a pod's containers in the order in which they would be created.
func (e *explainer) judge(p *manifest.Pod, classes map[string]string) ([]judgement, error) {
	handler, _ := e.handlerOf(p, classes)
	out := make([]judgement, len(p.Containers))
	given := map[string]policy.GivenSysctl{}
	for i := range p.Containers {
		c := &p.Containers[i]
		plan, err := e.plan(e.subjectOf(p, c, handler, maps.Clone(given)))
		var refusal *policy.Refusal
		switch {
		case errors.As(err, &refusal):
			out[i].refusal = refusal
			continue
		case err != nil:
			return nil, &manifest.Problem{Place: p.Place, Text: fmt.Sprintf("container %q: %s", c.Name, err)}
		}
		give(given, &plan.Decision, c.Name)
		for _, ch := range plan.Decision.Adjustment.Changes() {
			out[i].changes = append(out[i].changes, changeLine{ch.Field, ch.Text})
		}
	}
	return out, nil
}

// without returns the changes of a that b has not.
func without(a, b []changeLine) []changeLine {
	var out []changeLine
	have := map[changeLine]bool{}
	for _, c := range b {
		have[c] = true
	}
	for _, c := range a {
		if !have[c] {
			out = append(out, c)
		}
	}
	return out
}
