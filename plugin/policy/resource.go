// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
)

// ResourceDomain comes before a profile's name in the name of its extended resource,
// which a container writes into its limits: "nodegate.dev/kvm".
const ResourceDomain = "nodegate.dev/"

// AnnotationResource comes before a profile's name in the key of the annotation that the
// kubelet puts onto a container to which it has allotted units of that profile. The value
// is their ids, with commas between them.
const AnnotationResource = "resource.nodegate.dev/"

// MaxSlots is far above what a node runs in containers. The kubelet keeps an entry for
// each slot.
const MaxSlots = 5000

// Resource makes a profile an extended resource, which Kubernetes places and counts. The
// zero Resource is that of a profile which is none.
type Resource struct {
	Slots     int  `json:",omitzero"` // how many containers of a node may have the profile at once
	Exclusive bool `json:",omitzero"` // instead of Slots: each device is one unit, for one container
}

// Is reports whether there is a resource.
func (r Resource) Is() bool { return r != Resource{} }

// Allotted are the profiles that a container asks for in its resource limits, and the ids
// of the units that it was allotted of each. They are known if the kubelet has confirmed
// them; otherwise anybody may have written them.
type Allotted map[string]Known[[]string]

// Claims reads the annotations of a container, not of its pod. Nothing of them is known
// to be true. It allocates nothing where there are none.
func Claims(annotations map[string]string) (claims Allotted) {
	for key, value := range annotations {
		name, ok := strings.CutPrefix(key, AnnotationResource)
		if !ok {
			continue
		}
		if claims == nil {
			claims = Allotted{}
		}
		claims[name] = Known[[]string]{Value: strings.Split(value, ",")}
	}
	return claims
}

// UnitsText is the value of the annotation for units, whatever order they come in.
func UnitsText(units []string) string {
	return strings.Join(slices.Sorted(slices.Values(units)), ",")
}

// UnitID makes a unit's id of a path below /dev: what could not stand in a list with
// commas, or in JSON, is written as %XX.
func UnitID(path string) string {
	var out strings.Builder
	for _, b := range []byte(strings.TrimPrefix(path, "/dev/")) {
		plain := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("._:@=+~/-", b) >= 0
		if plain {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}

// Profiles are all profiles, by name.
func (p *Policy) Profiles() []Profile {
	out := make([]Profile, 0, len(p.profiles))
	for _, name := range sortedKeys(p.profiles) {
		out = append(out, p.profiles[name].Profile)
	}
	return out
}

// Resources are the profiles that are resources, by name.
func (p *Policy) Resources() []Profile {
	return slices.DeleteFunc(p.Profiles(), func(prof Profile) bool { return !prof.Resource.Is() })
}

// Grants reports whether a grant names the profile.
func (p *Policy) Grants(profile string) bool {
	return slices.ContainsFunc(p.grants, func(g *grant) bool { return slices.Contains(g.Profiles, profile) })
}

// SelectAlone selects one profile as if a container had it and no other, to find out
// what giving it takes. It is empty if there is no such profile.
func (p *Policy) SelectAlone(profile string) Selection {
	prof := p.profiles[profile]
	if prof == nil {
		return Selection{}
	}
	return Selection{granted: []grantedProfile{{profile: prof, grant: &grant{}, requested: true}}}
}

// NamesUnits reports whether Decide needs the devices' names as units.
func (s Selection) NamesUnits() bool {
	return slices.ContainsFunc(s.granted, func(k grantedProfile) bool { return k.profile.Resource.Exclusive })
}

// addAllotted selects what the container asks for in its resource limits.
func (s *Selection) addAllotted(p *Policy, r *Request) (wrong error) {
	if key := r.forged(); key != "" {
		wrong = r.Refuse(NotAllotted, clip(key, maxName), "has the annotation %q, which is the kubelet's to write",
			clip(key, maxName)).Advise("leave it out, and write %s and the profile's name into the container's resources.limits", ResourceDomain)
	}
	if len(r.Allotted) == 0 { // as nearly always
		return wrong
	}
	for _, name := range sortedKeys(r.Allotted) {
		if !r.Allotted[name].OK {
			wrong = Together(wrong, r.Refuse(NotAllotted, clip(AnnotationResource+name, maxName), "has the annotation %q, and the kubelet has allotted it no such units: only %s%s in the container's resources.limits asks for them",
				clip(AnnotationResource+name, maxName), ResourceDomain, clip(name, maxName)))
			continue
		}
		wrong = Together(wrong, s.addRequested(p, r, name))
	}
	return wrong
}

// needsUnits refuses a request by annotation for what is given by the unit.
func (p *Policy) needsUnits(r *Request, name string) error {
	if prof := p.profiles[name]; prof == nil || !prof.Resource.Exclusive || r.Allotted[name].OK {
		return nil
	}
	return r.Refuse(NotAllotted, name, "asks for profile %q by annotation, and each of its devices is for one container",
		name).Advise("write %s%s: 1 into the container's resources.limits", ResourceDomain, name)
}

// forged returns an annotation of the pod that only the kubelet may write, onto a
// container; "" for none.
func (r *Request) forged() (key string) {
	for k := range r.Annotations {
		if strings.HasPrefix(k, AnnotationResource) && (key == "" || k < key) {
			key = k
		}
	}
	return key
}

// allotted keeps, of the devices that a profile's rule finds, the container's own units.
func (d *decider) allotted(profile string, nodes []HostDevice) []HostDevice {
	units := d.facts.Request.Allotted[profile].Value
	var own []HostDevice
	for _, n := range nodes {
		if n.Unit != "" && slices.Contains(units, n.Unit) {
			own = append(own, n)
		}
	}
	return own
}

// unitsFound refuses a container whose unit is no device of the node by now.
func (d *decider) unitsFound(nodes []deviceNode) error {
	for i := range d.merged.devices {
		from := &d.merged.devices[i]
		if !from.exclusive {
			continue
		}
		for _, unit := range d.facts.Request.Allotted[from.profile].Value {
			if !slices.ContainsFunc(nodes, func(n deviceNode) bool { return n.profile == from.profile && n.host.Unit == unit }) {
				return d.refuse(NoDevice, clip(unit, maxName), "would get unit %q of profile %q, which this node does not have", clip(unit, maxName), from.profile).Advise("plug it in again, or delete the pod")
			}
		}
	}
	return nil
}

// checkResource says what a profile that is a resource cannot be.
func (c *compiler) checkResource(p *profile) {
	if !p.Resource.Exclusive {
		return
	}
	if len(p.merged.devices) == 0 {
		c.bad(p.Name, "resource.exclusive", "gives each device to one container, and the profile has no devices: write slots = 110 instead")
	}
	if len(p.merged.deviceRules) > 0 {
		c.bad(p.Name, "resource.exclusive", "gives each device to one container, and device_cgroup_rules reach others: leave them out, or write slots = 110 instead")
	}
	if len(p.merged.live) > 0 {
		c.bad(p.Name, "resource.exclusive", "gives each device to one container, and a live directory has all that match: leave live out, or write slots = 110 instead")
	}
	for i := range p.merged.devices {
		p.merged.devices[i].exclusive, p.merged.devices[i].profile = true, p.Name
	}
}
