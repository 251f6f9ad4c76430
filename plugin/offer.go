// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/resource"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// Offers are the policy's profiles that are resources, and what this node has of them.
func (p *Plugin) Offers() []resource.Offer {
	pol := p.policy.Load()
	return Offers(pol, p.runtime.Load(), &p.node, p.handlers.Load(), p.containers.held(pol), p.NotReady())
}

// Profiles says of every profile of the policy whether this node can give it.
func (p *Plugin) Profiles() []event.Profile {
	return Profiles(p.policy.Load(), p.runtime.Load(), &p.node, p.handlers.Load(), p.NotReady())
}

// NotReady says why the agent could give nothing to a container; "" if it can.
func (p *Plugin) NotReady() string {
	if l := p.link.Load(); l.since.IsZero() {
		return "it is not registered with the runtime: " + l.reason
	}
	return ""
}

// Offers finds out what a node can give of each profile that is a resource, by deciding
// about a container that nothing is special about: what the agent would refuse to every
// container, the node does not have. held are the devices that containers have as
// units. notReady says why it is nothing at all, or "".
func Offers(pol *policy.Policy, r *runtimes.Runtime, node *Node, handlers *Handlers, held []policy.HeldDevice, notReady string) []resource.Offer {
	var out []resource.Offer
	for _, prof := range pol.Profiles() {
		if !prof.Resource.Is() {
			continue
		}
		o := offerOf(pol, r, node, handlers, &prof, held, notReady)
		if notReady == "" && pol.Audit() {
			o.Lacks = "the policy's mode is audit, in which nothing is given"
		}
		out = append(out, o)
	}
	return out
}

// Profiles says of every profile of the policy whether this node can give it, as Offers
// finds out of those that are resources. In audit mode it is what the node could give.
func Profiles(pol *policy.Policy, r *runtimes.Runtime, node *Node, handlers *Handlers, notReady string) []event.Profile {
	var out []event.Profile
	for _, prof := range pol.Profiles() {
		o := offerOf(pol, r, node, handlers, &prof, nil, notReady)
		if o.Lacks == "" && o.Exclusive && len(o.Units) == 0 {
			o.Lacks = "none of its devices is on this node"
		}
		out = append(out, event.Profile{Name: prof.Name, Granted: pol.Grants(prof.Name), Carried: o.Lacks == "",
			Why: o.Lacks, Unsure: o.Unsure})
	}
	return out
}

// offerOf is what the node has of one profile. It has no units if that is no resource, or
// if none of its devices is there.
func offerOf(pol *policy.Policy, r *runtimes.Runtime, node *Node, handlers *Handlers, prof *policy.Profile, held []policy.HeldDevice, notReady string) resource.Offer {
	o := resource.Offer{Profile: prof.Name, Exclusive: prof.Resource.Exclusive}
	sel := pol.SelectAlone(prof.Name)
	found := node.Host.LookupDevices(sel.DeviceSelectors())
	if o.Exclusive {
		node.Host.NameUnits(found)
		o.Units = devicesOf(node.Host, prof.Name, sel, found, held)
	}
	for i := range prof.Resource.Slots {
		o.Units = append(o.Units, resource.Unit{ID: "slot-" + strconv.Itoa(i+1)})
	}
	switch {
	case notReady != "":
		o.Lacks = "the agent can give nothing: " + notReady
	case !o.Exclusive || len(o.Units) > 0:
		o.Lacks, o.Unsure = lacks(pol, r, node, handlers, sel, &o, found)
	}
	return o
}

// devicesOf are the units of an exclusive profile. A device with several names is one.
func devicesOf(h *host.Host, profile string, sel policy.Selection, found map[policy.DeviceSelector]policy.DeviceLookup, held []policy.HeldDevice) []resource.Unit {
	var out []resource.Unit
	seen := map[string]bool{}
	for _, s := range sel.DeviceSelectors() {
		for _, n := range found[s].Nodes {
			if seen[n.Unit] || n.Unit == "" {
				continue
			}
			seen[n.Unit] = true
			u := resource.Unit{ID: n.Unit, Held: policy.HeldAsAnother(held, profile, &n)}
			if numa := h.NUMANode(n); numa.OK {
				u.NUMA = []int64{numa.Value}
			}
			out = append(out, u)
		}
	}
	return out
}

// lacks says what keeps the node from giving a profile to any container, whether that
// has a user namespace, and runs under the wrapper, or not. If nothing does as far as is
// known, it says what is not known.
func lacks(pol *policy.Policy, r *runtimes.Runtime, node *Node, handlers *Handlers, sel policy.Selection, o *resource.Offer, found map[policy.DeviceSelector]policy.DeviceLookup) (why, unsure string) {
	if why := confined(node.Host, sel); why != "" {
		return why, ""
	}
	if !o.Exclusive {
		if why := driverless(node.Host, found); why != "" {
			return why, ""
		}
	}
	given := false
	for _, handler := range append(pol.Handlers(), "") {
		for _, userns := range []bool{true, false} {
			no, maybe := refusesAny(pol, r, node, sel, o, handler, userns), ""
			if no == "" && pol.Wrapped(handler) {
				is, said := handlers.wraps(handler)
				no, maybe = said, ""
				if !is.OK {
					no, maybe = "", said
				}
			}
			switch {
			case no == "" && maybe == "":
				return "", ""
			case no == "":
				given, unsure = true, cmp.Or(unsure, maybe)
			}
			why = cmp.Or(why, no)
		}
	}
	if given {
		return "", unsure
	}
	return why, ""
}

// refusesAny says why such a container would be refused; "" if it would not.
func refusesAny(pol *policy.Policy, r *runtimes.Runtime, node *Node, sel policy.Selection, o *resource.Offer, handler string, userns bool) string {
	req := policy.Request{Handler: handler, UserNamespace: policy.Is(userns)}
	if len(o.Units) > 0 {
		req.Allotted = policy.Allotted{o.Profile: policy.Is([]string{o.Units[0].ID})}
	}
	plan, err := decideSelected(pol, r, node.Host, &req, sel, anyContainer{r}, nil)
	switch {
	case err != nil:
		return policy.Reasons(err)
	case len(plan.Decision.Adjustment.ShadowNodes)+len(plan.Decision.Adjustment.LiveDirectories) > 0 && node.NoShadows != nil:
		return fmt.Sprintf("its devices cannot be made: %s", node.NoShadows)
	}
	if userns {
		if makes, err := node.Host.UserNamespaces(); err == nil && !makes {
			return "the kernel makes no user namespaces"
		}
	}
	return ""
}

// driverless names a device that is there, and that nothing is behind.
func driverless(h *host.Host, found map[policy.DeviceSelector]policy.DeviceLookup) string {
	for _, look := range found {
		for _, n := range look.Nodes {
			if d := h.Driver(n); d.OK && !d.Value.Loaded && d.Value.Module == "" {
				return fmt.Sprintf("device %s has no driver: opening it answers ENODEV or ENXIO", policy.QuotePath(n.Path))
			}
		}
	}
	return ""
}

// confined names devices that are there, and that a node which is a container itself was not
// given.
func confined(h *host.Host, sel policy.Selection) string {
	var e *host.ConfinedError
	if errors.As(h.Confinement(nil, sel.Needs()), &e) && e.AgentAlone.OK && !e.AgentAlone.Value {
		return e.Error()
	}
	return ""
}

// anyContainer is a container that nothing is special about.
type anyContainer struct{ runtime *runtimes.Runtime }

// IDMaps are those that the kubelet gives to the first pod with a user namespace.
func (anyContainer) IDMaps() (uid, gid policy.Known[[]specs.LinuxIDMapping]) {
	m := policy.Is([]specs.LinuxIDMapping{{HostID: 65536, Size: 65536}})
	return m, m
}

func (anyContainer) Seccomp(*change.Adjustment) *specs.LinuxSeccomp { return nil }

func (c anyContainer) Container(*policy.Host) policy.Container {
	out := policy.Container{ID: "any", CgroupsPath: "/any", RuntimeShm: true,
		HostNamespaces: policy.Is([]specs.LinuxNamespaceType{}), PIDNamespace: policy.Is(policy.OwnPID)}
	if c.runtime.Has(change.TellsUser) {
		out.User, out.Groups = policy.Is(policy.User{}), policy.Is([]uint32{})
	}
	return out
}
