// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/resource"
)

// newResources makes the agent's side towards the kubelet, whose word about allotted
// units the plugin goes by.
func newResources(c *config.Config, node *plugin.Node) *resource.Server {
	s := resource.New(c.Kubelet.PluginDir, c.State.Dir)
	s.Registered(releaseMemory) // what only that has taken
	node.Allotted = func(ctx context.Context, r *policy.Request, profile string, units []string) bool {
		return s.Allotted(ctx, resource.Container{Namespace: r.Namespace, Pod: r.Pod, Name: r.Container}, profile, units)
	}
	return s
}

// allot stands for the kubelet: of a profile whose devices are its units, it has the
// container get the first ones of this node.
func (e *explainer) allot(r *policy.Request) {
	if len(r.Allotted) == 0 {
		return
	}
	for _, o := range e.offers() {
		units := r.Allotted[o.Profile]
		for i := range min(len(units.Value), len(o.Units)) {
			units.Value[i] = o.Units[i].ID
		}
	}
}

// offers are what this node has of the policy's resources, for all pods: finding it out is a
// decision about each.
func (e *explainer) offers() []resource.Offer {
	if e.offered == nil {
		e.offered = plugin.Offers(e.config.Policy, &e.runtime, &plugin.Node{Host: e.host}, &plugin.Handlers{Unknown: "explain does not look"}, nil, "")
	}
	return e.offered
}

// units says how many units of a profile this node has for a container that asks for n.
func (e *explainer) units(profile string, n int) string {
	offers := e.offers()
	i := slices.IndexFunc(offers, func(o resource.Offer) bool { return o.Profile == profile })
	switch {
	case i < 0:
		return "the policy has no such resource, so the pod stays pending"
	case offers[i].Lacks != "":
		return "this node has none, so the pod goes elsewhere"
	case n > len(offers[i].Units):
		return fmt.Sprintf("it asks for %d and this node has %d, so the pod goes elsewhere", n, len(offers[i].Units))
	case offers[i].Exclusive && n == 1:
		return fmt.Sprintf("it chooses one of this node's %d", len(offers[i].Units))
	case offers[i].Exclusive:
		return fmt.Sprintf("it chooses %d of this node's %d", n, len(offers[i].Units))
	}
	return fmt.Sprintf("this node has %d", len(offers[i].Units))
}
