// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/resource"
)

// Resources are the profiles that are resources, as the agent would offer them here.
type Resources struct {
	Dir    string // of the kubelet, as the agent sees it
	Absent error  // no kubelet listens there, or nil
	Offers []resource.Offer
}

// resources asks what the agent asks before it tells the kubelet.
func (g *gatherer) resources(f *Facts) Fact[Resources] {
	r := Resources{Dir: g.config.Kubelet.PluginDir}
	if len(g.config.Policy.Resources()) == 0 {
		return fact(r)
	}
	switch {
	case !f.Runtime.OK():
		return unknown[Resources](f.Runtime.Unknown)
	case !f.Shadows.OK():
		return unknown[Resources](f.Shadows.Unknown)
	}
	r.Offers = plugin.Offers(g.config.Policy, &f.Runtime.Value.does, &plugin.Node{Host: g.node, NoShadows: f.Shadows.Value}, wrapping(f), nil, "")
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(r.Dir, "kubelet.sock"), &st); err != nil {
		r.Absent = err
	}
	return fact(r)
}

// wrapping is what the node's handlers run.
func wrapping(f *Facts) *plugin.Handlers {
	all := handlers(f)
	if all == nil {
		return &plugin.Handlers{Unknown: cmp.Or(f.Containerd.Unknown, f.Runtime.Unknown)}
	}
	out := &plugin.Handlers{Wrapped: map[string]policy.Known[bool]{}}
	for name, h := range all {
		p := f.Wrapper.Programs[binary(h)]
		out.Wrapped[name] = policy.Known[bool]{Value: p.Value.Wrapper, OK: p.Unknown != needsRoot && !p.Value.Script}
	}
	if usual, has := out.Wrapped[defaultHandler(f)]; has {
		out.Wrapped[""] = usual
	}
	return out
}

func checkResources(f *Facts) (out []Finding) {
	r := f.Resources.Value
	if !f.Resources.OK() {
		return cannotTell(f.Resources.Unknown)
	}
	for _, o := range r.Offers {
		one := Finding{Subject: policy.ResourceDomain + o.Profile, Status: OK, Found: fmt.Sprintf("units: %d", len(o.Units))}
		switch {
		case r.Dir == "":
			one.Status, one.Found = Problem, `the kubelet is not told: kubelet.plugin_dir is ""`
			one.Remedy = "write the kubelet's directory for device plugins, or take resource out of the profile; in the chart set deviceResources.enabled"
		case r.Absent != nil:
			one.Status, one.Found = Problem, fmt.Sprintf("no kubelet listens in %s: %s", r.Dir, r.Absent)
			one.Remedy = "write in kubelet.plugin_dir where this node's kubelet has it, and start the kubelet"
		case o.Lacks != "":
			one.Status, one.Found = Problem, "not offered: "+o.Lacks
			one.Remedy = "mend that, or take the profile from this node's policy; until then pods that ask for it go elsewhere"
		case o.Unsure != "":
			one.Status, one.Found = Unknown, fmt.Sprintf("units: %d, but %s", len(o.Units), o.Unsure)
			one.Remedy = "run nodegate doctor on the node itself, as root"
		case len(o.Units) == 0:
			one.Status, one.Found = Warning, "none of its devices is on this node"
			one.Remedy = "plug one in; until then pods that ask for it go elsewhere"
		default:
			if unit, with := sharedUnit(r.Offers, o); unit != "" {
				one.Status, one.Found = Warning, fmt.Sprintf("its unit %s is one of %s%s too: a container that has it as one keeps it from those that ask for the other", policy.QuotePath(unit), policy.ResourceDomain, with)
				one.Remedy = "narrow the devices of one of the profiles"
			}
		}
		out = append(out, one)
	}
	return out
}

// sharedUnit finds a device that another resource counts as well.
func sharedUnit(all []resource.Offer, o resource.Offer) (unit, with string) {
	for _, other := range all {
		if !o.Exclusive || !other.Exclusive || other.Profile == o.Profile {
			continue
		}
		for _, u := range o.Units {
			if slices.ContainsFunc(other.Units, func(v resource.Unit) bool { return v.ID == u.ID }) {
				return u.ID, other.Profile
			}
		}
	}
	return "", ""
}
