// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// deviceNode is one device that the container gets: the host's, and how it is to
// appear.
type deviceNode struct {
	host    HostDevice
	target  string // container path
	access  string
	rule    *DeviceRule
	profile string
}

// devices turns device rules into nodes of the container. In a user namespace
// the runtime would bind the host's node and ignore its owner, so there it is
// a shadow node of the host that is bound.
func (d *decider) devices() error {
	var nodes []deviceNode
	for i := range d.merged.devices {
		var err error
		if nodes, err = d.addNodes(nodes, &d.merged.devices[i]); err != nil {
			return err
		}
	}
	if err := Together(Together(d.oneOf(), d.unitsFound(nodes)), d.unitsFree()); err != nil {
		return err
	}
	shareAccess(nodes)
	for _, n := range nodes {
		if err := d.place(n); err != nil {
			return err
		}
	}
	return nil
}

// oneOf refuses where the node has no device of a list.
func (d *decider) oneOf() error {
	for _, list := range d.merged.oneOf {
		if slices.ContainsFunc(list.selectors, func(s DeviceSelector) bool { return len(d.facts.Host.Devices[s].Nodes) > 0 }) {
			continue
		}
		var names []string
		for _, s := range list.selectors {
			names = append(names, s.String())
		}
		return d.refuse(NoDevice, list.profile, "would get profile %q, but this node has none of the devices %s", list.profile, strings.Join(names, ", "))
	}
	return nil
}

// addNodes adds what one rule finds on the host. Rules that meet at one path
// of the container must agree; their access adds up.
func (d *decider) addNodes(nodes []deviceNode, from *sourcedDevice) ([]deviceNode, error) {
	rule, look := &from.rule, d.facts.Host.Devices[from.rule.Selector()]
	if from.exclusive {
		look.Nodes = d.allotted(from.profile, look.Nodes)
	}
	if err := d.found(from, &look); err != nil {
		return nil, err
	}
	if len(look.Nodes) == 0 && !from.exclusive {
		d.note(LeftOut, from.profile, fmt.Sprintf("device %s is optional and not on this node", rule.Selector()))
	}
	for _, found := range look.Nodes {
		n := deviceNode{host: found, target: found.Path, access: rule.Access, rule: rule, profile: from.profile}
		if rule.ContainerPath != "" {
			n.target = rule.ContainerPath
		}
		n.target = d.inVolume(absolute(n.target), &found)
		i := slices.IndexFunc(nodes, func(have deviceNode) bool { return have.target == n.target })
		if i < 0 {
			nodes = append(nodes, n)
			continue
		}
		if what := nodes[i].difference(&n); what != "" {
			return nil, d.refuse(Conflict, n.target, "would get device %s twice, by %s of profile %q and %s of profile %q, which disagree on %s",
				QuotePath(n.target), nodes[i].rule.Selector(), nodes[i].profile, n.rule.Selector(), n.profile, what)
		}
		nodes[i].access = unionAccess(nodes[i].access, n.access)
	}
	return nodes, nil
}

// found refuses what a rule finds on the host and cannot be meant.
func (d *decider) found(from *sourcedDevice, look *DeviceLookup) error {
	rule := &from.rule
	switch {
	case look.Err != nil:
		return d.refuse(BadDevice, from.profile, "would get profile %q, but its device %s cannot be given: %s", from.profile, rule.Selector(), look.Err)
	case len(look.Nodes) == 0 && from.exclusive: // see unitsFound
	case len(look.Nodes) == 0 && !rule.Optional && look.Directory:
		return d.refuse(NoDevice, from.profile, "would get profile %q, but the directory %s of this node holds no device", from.profile, QuotePath(rule.Path))
	case len(look.Nodes) == 0 && !rule.Optional:
		return d.refuse(NoDevice, from.profile, "would get profile %q, but this node has no device %s", from.profile, rule.Selector())
	case len(look.Nodes) > 1 && rule.ContainerPath != "":
		return d.refuse(Conflict, from.profile, "would get profile %q, but %s matches %d devices of this node, which cannot all be %s",
			from.profile, rule.Selector(), len(look.Nodes), QuotePath(rule.ContainerPath))
	}
	for i := range look.Nodes {
		if have := &look.Nodes[i]; !rule.fits(have) {
			return d.refuse(BadDevice, from.profile, "would get profile %q, but %s is %s %d:%d on this node, and the profile says %s: somebody may have put another device in its place",
				from.profile, QuotePath(have.Path), have.Type, have.Major, have.Minor, rule.numbers())
		}
	}
	return nil
}

// shareAccess gives the nodes of one device the access of all of them. The
// device cgroup knows numbers, not paths: it could not tell them apart, and a
// channel that denies the rest for one would take it from the other.
func shareAccess(nodes []deviceNode) {
	for i := range nodes {
		for j := range nodes {
			if nodes[i].host.sameDevice(nodes[j].host.Type, nodes[j].host.Major, nodes[j].host.Minor) {
				nodes[i].access = unionAccess(nodes[i].access, nodes[j].access)
			}
		}
	}
}

func (h *HostDevice) sameDevice(kind string, major, minor int64) bool {
	return h.Type == kind && h.Major == major && h.Minor == minor
}

func (n *deviceNode) difference(other *deviceNode) string {
	if b := other.host; !n.host.sameDevice(b.Type, b.Major, b.Minor) {
		return "the host's node"
	}
	x, y := *n.rule, *other.rule
	x.Path, y.Path, x.USB, y.USB = "", "", USB{}, USB{} // two selectors may name one node
	_, _, what := deviceDifference(&x, &y)
	return what
}

// place puts a node into the adjustment, if nothing of the pod is in the way.
func (d *decider) place(n deviceNode) error {
	at, err := d.standing(&n)
	if err != nil {
		return err
	}
	mode := n.host.Mode.Perm()
	if n.rule.Mode.OK {
		mode = n.rule.Mode.Value
	}
	uid, gid, unknown, err := d.owner(&n, mode)
	if err != nil {
		return err
	}
	if err := d.asked(n, mode, [2]string{change.IDText(uid, unknown.UID), change.IDText(gid, unknown.GID)}); err != nil {
		return err
	}
	have := d.deviceAt(n.target)
	if have != nil && !n.host.sameDevice(have.Type, have.Major, have.Minor) {
		return d.refuse(Occupied, n.target, "would get device %s of profile %q, but has another device of its own at that path",
			QuotePath(n.target), n.profile).Advise("give that another path")
	}
	if unknown == (Process{}) {
		d.warnUnopened(&n, mode, uid, gid)
	}
	if !d.userNamespace() && !at.within {
		d.out.Unmounts = union(d.out.Unmounts, at.binds, same)
		d.out.Devices = append(d.out.Devices, Device{Access: n.access, Process: unknown, LinuxDevice: specs.LinuxDevice{
			Path: n.target, Type: n.host.Type, Major: n.host.Major, Minor: n.host.Minor,
			FileMode: &mode, UID: &uid, GID: &gid,
		}})
		return nil
	}
	// The runtime makes its devices after the mounts, so it would hide ours.
	if have != nil && !d.wrapped() {
		return d.refuse(Occupied, n.target, "would get device %s of profile %q, but has a device there already, from a device plugin or because it is privileged; in a pod with a user namespace it cannot have both",
			QuotePath(n.target), n.profile).Advise("drop one, or %s", d.policy.UnderWrapper())
	}
	// A mount takes the place of one with the very same destination.
	at.binds = slices.DeleteFunc(at.binds, func(dest string) bool { return dest == n.target })
	d.out.Unmounts = union(d.out.Unmounts, at.binds, same)
	err = d.placeShadow(n.profile, ShadowNode{Type: n.host.Type, Major: n.host.Major, Minor: n.host.Minor,
		Mode: mode, UID: uid, GID: gid, ContainerPath: n.target, Replaces: have != nil, Process: unknown})
	if err != nil {
		return err
	}
	d.out.DeviceRules = append(d.out.DeviceRules, specs.LinuxDeviceCgroup{Allow: true, Type: n.host.Type,
		Major: &n.host.Major, Minor: &n.host.Minor, Access: n.access})
	return nil
}

// placeShadow adds a shadow node, which must show the ids in s, and its mount.
func (d *decider) placeShadow(profile string, s ShadowNode) error {
	home, err := d.shadowHome(profile, s.ContainerPath)
	if err != nil {
		return err
	}
	if s.UID, err = d.hostID(d.facts.Host.UIDMap, s.UID); err != nil {
		return d.refuse(idCode(err), s.ContainerPath, "would get device %s of profile %q, but its uid %s", QuotePath(s.ContainerPath), profile, err)
	}
	if s.GID, err = d.hostID(d.facts.Host.GIDMap, s.GID); err != nil {
		return d.refuse(idCode(err), s.ContainerPath, "would get device %s of profile %q, but its gid %s", QuotePath(s.ContainerPath), profile, err)
	}
	s.Path = path.Join(home, strconv.Itoa(len(d.out.ShadowNodes)))
	d.out.ShadowNodes = append(d.out.ShadowNodes, s)
	d.out.Mounts = append(d.out.Mounts, specs.Mount{Destination: s.ContainerPath, Type: "bind", Source: s.Path,
		Options: []string{"bind", "rw", "rprivate", "nosuid", "noexec"}})
	return nil
}

// shadowHome is the container's directory of what the agent keeps for it on the node.
func (d *decider) shadowHome(profile, at string) (string, error) {
	id := d.facts.Container.ID
	if id == "" || id == "." || id == ".." || strings.Contains(id, "/") {
		return "", d.refuse(Internal, at, "would get device %q of profile %q, but its id %q can name no directory of shadow nodes",
			at, profile, clip(id, maxName))
	}
	return path.Join(d.policy.shadowDir, id), nil
}

// deviceAt returns what the pod has as a device at the path, or nil.
func (d *decider) deviceAt(target string) *specs.LinuxDevice {
	for i, have := range d.facts.Container.Devices {
		if absolute(have.Path) == target {
			return &d.facts.Container.Devices[i]
		}
	}
	return nil
}

func idCode(err error) Code {
	if errors.Is(err, errNoMap) {
		return UnknownFact
	}
	return Unmapped
}
