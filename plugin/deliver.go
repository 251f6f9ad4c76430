// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"slices"
	"strings"

	"github.com/containerd/nri/pkg/api"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// deliver divides an adjustment between NRI, as the runtime speaks it, and the
// wrapper. It refuses what neither can deliver. profiles are those that the
// adjustment is of, and own is the container's own seccomp profile.
func deliver(r runtimes.Runtime, pol *policy.Policy, req *policy.Request, profiles []string, a *change.Adjustment, own policy.Known[*specs.LinuxSeccomp]) (*api.ContainerAdjustment, change.Adjustment, error) {
	e := newEncoder(r, own)
	if err := e.encode(a); err != nil {
		return nil, e.remainder, req.Refuse(policy.Conflict, "", "would get seccomp rules that its own profile leaves no room for: %s", err)
	}
	var wrong error
	for _, k := range change.Kinds() {
		if k.In(&e.remainder) && !k.Wrapper {
			what := strings.Join(k.Name(&e.remainder), " and ")
			wrong = policy.Together(wrong, req.Refuse(policy.NotCarried, what, "would get %s, which %s cannot inject for a plugin",
				what, r).Advise("%s", r.Use(k.NRI())))
		}
	}
	var lacking []*change.Kind
	names := e.namesIf(func(k *change.Kind) bool {
		if k.Wrapper {
			lacking = append(lacking, k)
		}
		return k.Wrapper
	})
	if len(names) > 0 && !pol.Wrapped(req.Handler) {
		what := strings.Join(names, " and ")
		wrong = policy.Together(wrong, req.Refuse(policy.NotCarried, what, "would get %s%s, which %s cannot carry",
			what, policy.ByProfiles(pol.Giving(profiles, lacking)), r).Advise("%s", pol.UnderWrapper()))
	}
	if wrong != nil {
		return nil, e.remainder, wrong
	}
	return e.reply, e.remainder, nil
}

// Delivery is a change and the channel that delivers it.
type Delivery struct {
	change.Change
	By change.Channel
}

// Deliveries says which channel delivers each change of the plan, for a
// container that runs under the wrapper or not.
func (p *Plan) Deliveries(wrapped bool) []Delivery {
	out := []Delivery{}
	left := p.remainder.Changes()
	for _, c := range p.Decision.Adjustment.Changes() {
		by := change.NRI
		switch isLeft := slices.ContainsFunc(left, func(l change.Change) bool { return l.Field == c.Field && l.Text == c.Text }); {
		case c.Field == change.NodeField:
			by = change.Agent
		case isLeft && c.Kind.Wrapper && wrapped:
			by = change.Wrapper
		case isLeft:
			by = change.Nobody
		}
		out = append(out, Delivery{c, by})
	}
	return out
}
