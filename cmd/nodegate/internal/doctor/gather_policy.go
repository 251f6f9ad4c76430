// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/config/lint"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
	"github.com/nodegate/nodegate/plugin/serve"
)

// policy gathers what the policy wants of the node; problem is why it does not
// load, or nil.
func (g *gatherer) policy(problem error, runtime Fact[Runtime]) Policy {
	c := g.config
	p := Policy{
		Path: g.Policy, Err: problem, Hash: c.Hash, Audit: c.Policy.Audit(), Grants: len(c.Grants),
		Handlers: c.Runtime.Handlers, StateDir: c.State.Dir, Socket: c.NRI.Socket, InContainer: c.State.HostRoot != "/",
	}
	if problem != nil {
		return p
	}
	warned, _ := lint.Count(lint.Check(c, runsOn(runtime)...))
	p.Warnings = warned[lint.Warning]
	p.AppArmor = g.appArmor()
	devices := map[policy.DeviceSelector]*Device{}
	for _, profile := range granted(c) {
		for _, k := range profile.Kinds() {
			if !p.Changes(k) {
				p.Kinds = append(p.Kinds, k)
			}
		}
		for _, rule := range profile.Devices {
			d := devices[rule.Selector()]
			if d == nil {
				d = &Device{Selector: rule.Selector(), Optional: true, Units: true}
				devices[rule.Selector()] = d
			}
			d.Profiles = append(d.Profiles, profile.Name)
			d.Optional = d.Optional && rule.Optional
			d.Units = d.Units && profile.Resource.Exclusive
		}
	}
	found := g.node.LookupDevices(slices.Collect(maps.Keys(devices)))
	byName := func(a, b policy.DeviceSelector) int { return cmp.Compare(a.String(), b.String()) }
	for _, s := range slices.SortedFunc(maps.Keys(devices), byName) {
		d := devices[s]
		d.Lookup = found[s]
		for _, n := range d.Lookup.Nodes {
			d.Drivers = append(d.Drivers, g.node.Driver(n))
		}
		p.Devices = append(p.Devices, *d)
	}
	return p
}

// runsOn is this node's runtime, whose releases are known: what others cannot deliver is
// no matter here.
func runsOn(r Fact[Runtime]) []runtimes.Runtime {
	if !r.OK() || !r.Value.Known {
		return nil
	}
	one, err := runtimes.Parse(r.Value.Name + "/" + r.Value.Version)
	if err != nil {
		return nil
	}
	return []runtimes.Runtime{one}
}

// appArmor finds the granted profiles that AppArmor has a part in.
func (g *gatherer) appArmor() (out []AppArmor) {
	seen := map[string]bool{}
	for _, grant := range g.config.Grants {
		for _, name := range grant.Profiles {
			wanted, needed := g.config.Policy.AppArmor(name)
			if !needed || seen[name] {
				continue
			}
			seen[name] = true
			out = append(out, AppArmor{Profile: name, Wanted: wanted, Node: host.AppArmor(wanted)})
		}
	}
	return out
}

// granted returns the profiles that the grants name and those that these
// include, each once.
func granted(c *config.Config) []policy.Profile {
	byName := map[string]policy.Profile{}
	for _, p := range c.Profiles {
		byName[p.Name] = p.Profile
	}
	var names []string
	for _, g := range c.Grants {
		names = append(names, g.Profiles...)
	}
	var out []policy.Profile
	for len(names) > 0 {
		p, ok := byName[names[0]]
		names = names[1:]
		if !ok {
			continue // had already
		}
		delete(byName, p.Name)
		out = append(out, p)
		names = append(names, p.Include...)
	}
	return out
}

const agentLimit = 3 * time.Second

// agent asks the agent whether it is ready, at the first address that it has.
func (g *gatherer) agent(ctx context.Context) Fact[Agent] {
	if len(g.config.Server.Listen) == 0 {
		return unknown[Agent]("the policy has no server.listen")
	}
	a := Agent{Listen: g.config.Server.Listen[0]}
	ctx, cancel := context.WithTimeout(ctx, agentLimit)
	defer cancel()
	answer, err := serve.AskReady(ctx, a.Listen)
	if err != nil {
		if because := why(err); because == needsRoot {
			return unknown[Agent](because)
		}
		a.Err = err
	}
	a.Ready, a.Says = answer.Ready, answer.Says
	return fact(a)
}
