// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"github.com/containerd/nri/pkg/api"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// Subject is a container about to be decided about, whoever describes it: a
// request of the runtime, a manifest, or a container that runs. It is asked only
// about containers that get something.
type Subject interface {
	// Container is what is told of it. found is what the node has of what the
	// selected profiles name.
	Container(found *policy.Host) policy.Container
	// IDMaps are those of its user namespace; it is asked if it has one.
	IDMaps() (uid, gid policy.Known[[]specs.LinuxIDMapping])
	// Seccomp is its own profile, which a is to change; nil for unconfined. It
	// counts only if the runtime tells it.
	Seccomp(a *change.Adjustment) *specs.LinuxSeccomp
}

// Plan is what is to be done for a container.
type Plan struct {
	Selection policy.Selection
	// Decision has, for a container that is refused, what of the adjustment was
	// decided all the same. That is for people.
	Decision policy.Decision

	reply       *api.ContainerAdjustment // what NRI delivers; nil for no answer
	remainder   change.Adjustment        // what the wrapper delivers
	shadowGroup uint32                   // who may pass to the shadow nodes
}

// Decide selects profiles for a container, gathers the facts that they need,
// decides, and divides the adjustment among the channels. It returns a
// [*policy.Refusal], with all reasons that are known, if the container must not
// run. It changes nothing. describe is called only if there is something to
// decide.
func Decide(pol *policy.Policy, r *runtimes.Runtime, h *host.Host, req *policy.Request, describe func() Subject) (Plan, error) {
	sel, wrong := pol.Select(req)
	if wrong != nil {
		sel = policy.Rest(wrong) // its reasons are said as well
	}
	if sel.Empty() {
		return Plan{}, wrong
	}
	return decideSelected(pol, r, h, req, sel, describe(), wrong)
}

func decideSelected(pol *policy.Policy, r *runtimes.Runtime, h *host.Host, req *policy.Request, sel policy.Selection, s Subject, wrong error) (Plan, error) {
	facts := gather(h, req, sel, s)
	if !facts.Container.User.OK {
		facts.TellingRuntime = r.Use(change.TellsUser)
	}
	plan := Plan{Selection: sel}
	var err error
	if plan.Decision, err = pol.Decide(sel, &facts); err != nil {
		plan.Decision.Adjustment = policy.Partial(err)
		wrong = policy.Together(wrong, err)
	}
	a := &plan.Decision.Adjustment
	if len(a.ShadowNodes)+len(a.LiveDirectories) > 0 && err == nil {
		if plan.shadowGroup, err = facts.RootGroup(); err != nil {
			wrong = policy.Together(wrong, req.Refuse(policy.UnknownFact, "", "would get devices of its own, but %s", err))
		}
	}
	own := policy.Known[*specs.LinuxSeccomp]{OK: r.Has(change.TellsSeccomp)}
	if own.OK {
		own.Value = s.Seccomp(a)
	}
	// An adjustment that changes nothing is an answer too: the record says so.
	plan.reply, plan.remainder, err = deliver(*r, pol, req, sel.Profiles(), a, own)
	if wrong = policy.Together(wrong, err); wrong != nil {
		plan.reply, plan.Decision.Profiles = nil, nil
	}
	return plan, wrong
}

// gather asks the subject and the node for what the selection needs.
func gather(h *host.Host, req *policy.Request, sel policy.Selection, s Subject) policy.Facts {
	facts := policy.Facts{Request: *req}
	facts.Host.Devices = h.LookupDevices(sel.DeviceSelectors())
	if sel.NamesUnits() {
		h.NameUnits(facts.Host.Devices)
	}
	if sel.NeedsCgroup() {
		facts.Host.Cgroup = h.Cgroup()
	}
	if name, needed := sel.AppArmor(); needed {
		facts.Host.AppArmor = host.AppArmor(name)
	}
	if req.UserNamespace.Value {
		facts.Host.UIDMap, facts.Host.GIDMap = s.IDMaps()
	} else {
		facts.Host.UIDMap, facts.Host.GIDMap = h.NodeIDMaps()
	}
	facts.Container = s.Container(&facts.Host)
	if len(facts.Host.Devices) > 0 {
		var sources []string
		for _, m := range facts.Container.Mounts {
			sources = append(sources, m.Source)
		}
		facts.Host.Sources = h.LookupSources(sources)
	}
	return facts
}
