// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// liveKind is directories for devices that come and go.
var liveKind = kind{
	own: func(e *merged, p *Profile) {
		for _, d := range p.Devices {
			if d.Live != "" {
				e.live = append(e.live, sourcedDevice{rule: d, profile: p.Name})
			}
		}
	},
	merge: func(e, other *merged, _ string) *conflict {
		for _, d := range other.live {
			if c := e.mergeLive(d); c != nil {
				return c
			}
		}
		return nil
	},
	decide: (*decider).live,
	outline: func(a *Adjustment, p *Profile) {
		for i := range p.Devices {
			if d := &p.Devices[i]; d.Live != "" {
				a.LiveDirectories = append(a.LiveDirectories, LiveDirectory{ContainerPath: absolute(d.Live), Devices: []LiveDevices{{Select: d.Selector()}}})
			}
		}
	},
}

// allDevices are those that are looked up on the node.
func (e *merged) allDevices() []sourcedDevice { return slices.Concat(e.devices, e.live) }

// mergeLive adds a rule. Two for the same devices in one directory add up in access
// and must agree on all else.
func (e *merged) mergeLive(d sourcedDevice) *conflict {
	for i := range e.live {
		have := &e.live[i]
		if absolute(have.rule.Live) != absolute(d.rule.Live) || have.rule.Selector() != d.rule.Selector() {
			continue
		}
		if x, y, what := deviceDifference(&have.rule, &d.rule); what != "" {
			return &conflict{"devices", fmt.Sprintf("%s of %s in %q", what, d.rule.Selector(), d.rule.Live), have.profile, d.profile, x, y}
		}
		have.rule.Access = unionAccess(have.rule.Access, d.rule.Access)
		have.rule.Optional = have.rule.Optional && d.rule.Optional
		return nil
	}
	e.live = append(e.live, d)
	return nil
}

// majors are the numbers of the drivers behind a subsystem's USB devices, which are
// the same everywhere, so that a device may be absent when its container starts. See
// https://www.kernel.org/doc/html/latest/admin-guide/devices.html
var majors = map[string][]int64{
	"tty": {188, 166}, "usb": {189}, "video4linux": {81}, "input": {13}, "sound": {116}, "usbmisc": {180},
}

// shared are major numbers that devices with nothing in common have, each with a minor
// number of its own.
var shared = map[int64]string{1: "the node's memory", 4: "the node's consoles", 5: "the node's consoles", 10: "many small drivers"}

// MajorsKnown reports whether the major number of a rule's devices can be told without
// one of them.
func (r *DeviceRule) MajorsKnown() bool { return r.Major.OK || len(majors[r.USB.Subsystem]) > 0 }

// SharedMajor says whose a major number is that no live directory may be about.
func SharedMajor(major int64) (of string, is bool) {
	of, is = shared[major]
	return of, is
}

// live gives directories whose nodes the agent keeps. The device cgroup cannot follow
// a device to another number, so it lets the container open all of the major number:
// what keeps it from others is that no node of them is in its reach. In a user
// namespace nobody makes one; that none opens which the image or a volume has is the
// wrapper's part. Another process of the pod would have them in its own root.
func (d *decider) live() error {
	if len(d.merged.live) == 0 {
		return nil
	}
	by, in := d.merged.live[0].profile, d.facts.Container.PIDNamespace
	switch {
	case !d.userNamespace() && d.userNamespaceRequired() == nil:
		return d.refuse(Unmet, by, "would get live devices by profile %q, which are safe only where no device node can be made", by).Advise("set hostUsers: false in the pod's spec")
	case !d.userNamespace():
		return nil // it is refused for that already
	case !in.OK:
		return d.refuse(UnknownFact, by, "would get live devices by profile %q, which are safe only in a PID namespace of its own, and the runtime does not tell that", by)
	case in.Value != OwnPID:
		return d.refuse(Unmet, by, "would get live devices by profile %q, and shares a PID namespace with processes through whose root it could open others", by).Advise("leave shareProcessNamespace and hostPID out of the pod's spec")
	}
	for i := range d.merged.live {
		if err := d.addLive(&d.merged.live[i]); err != nil {
			return err
		}
	}
	return nil
}

// addLive adds one rule's devices to their directory.
func (d *decider) addLive(from *sourcedDevice) error {
	rule, look := &from.rule, d.facts.Host.Devices[from.rule.Selector()]
	if err := d.found(from, &look); err != nil {
		return err
	}
	if len(look.Nodes) == 0 {
		d.note(LeftOut, from.profile, fmt.Sprintf("device %s is not on this node now, and appears in %s when it is plugged in", rule.Selector(), absolute(rule.Live)))
	}
	out := LiveDevices{Select: rule.Selector()}
	if rule.Mode.OK {
		mode := rule.Mode.Value
		out.Mode = &mode
	}
	var err error
	if out.Majors, err = d.liveMajors(from, look.Nodes); err != nil {
		return err
	}
	if out.UID, err = d.liveID(from, "uid", rule.UID, d.facts.Container.User.Value.UID, d.facts.Host.UIDMap); err != nil {
		return err
	}
	if out.GID, err = d.liveID(from, "gid", rule.GID, d.facts.Container.User.Value.GID, d.facts.Host.GIDMap); err != nil {
		return err
	}
	dir, err := d.liveDirectory(from)
	if err != nil {
		return err
	}
	dir.Devices = append(dir.Devices, out)
	for _, major := range out.Majors {
		r := specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &major, Access: rule.Access}
		d.out.DeviceRules = union(d.out.DeviceRules, []specs.LinuxDeviceCgroup{r}, sameRule)
	}
	return nil
}

// liveMajors are the major numbers of a rule's devices, those that may come included.
func (d *decider) liveMajors(from *sourcedDevice, nodes []HostDevice) ([]int64, error) {
	rule := &from.rule
	out := slices.Clone(majors[rule.USB.Subsystem])
	if rule.Major.OK {
		out = []int64{rule.Major.Value}
	}
	for _, n := range nodes {
		if n.Type != "c" {
			return nil, d.refuse(BadDevice, from.profile, "would get profile %q, but %s is a block device, which cannot be live: its number would open the node's disks", from.profile, QuotePath(n.Path))
		}
		out = union(out, []int64{n.Major}, func(a, b int64) bool { return a == b })
	}
	for _, major := range out {
		if of, is := shared[major]; is {
			return nil, d.refuse(BadDevice, from.profile, "would get profile %q, but %s cannot be live: the major number %d is that of %s too", from.profile, rule.Selector(), major, of)
		}
	}
	if len(out) == 0 {
		return nil, d.refuse(NoDevice, from.profile, "would get profile %q, but no device %s is on this node that tells its major number", from.profile, rule.Selector()).Advise("write major in the profile")
	}
	return out, nil
}

// liveID returns the host's id for the owner of a live device.
func (d *decider) liveID(from *sourcedDevice, kind string, id ID, user uint32, m Known[[]specs.LinuxIDMapping]) (uint32, error) {
	number := id.Number
	if id.Of == OfProcess {
		if !d.facts.Container.User.OK {
			return 0, d.refuse(UnknownFact, from.profile, `would get live devices by profile %q, which belong to the container's user, and this runtime does not tell who that is`, from.profile).Advise(`have the profile say a number instead of "user"`)
		}
		number = user
	}
	host, err := d.hostID(m, number)
	if err != nil {
		return 0, d.refuse(idCode(err), from.profile, "would get live devices by profile %q, but their %s %s", from.profile, kind, err)
	}
	return host, nil
}

// liveDirectory returns the directory of a rule, which is new if no rule before was
// for it.
func (d *decider) liveDirectory(from *sourcedDevice) (*LiveDirectory, error) {
	at := absolute(from.rule.Live)
	for i := range d.out.LiveDirectories {
		if d.out.LiveDirectories[i].ContainerPath == at {
			return &d.out.LiveDirectories[i], nil
		}
	}
	if err := d.liveFree(from.profile, at); err != nil {
		return nil, err
	}
	home, err := d.shadowHome(from.profile, at)
	if err != nil {
		return nil, err
	}
	dir := LiveDirectory{Path: path.Join(home, fmt.Sprintf("live-%d", len(d.out.LiveDirectories))), ContainerPath: at}
	d.out.LiveDirectories = append(d.out.LiveDirectories, dir)
	d.out.Mounts = append(d.out.Mounts, specs.Mount{Destination: at, Type: "bind", Source: dir.Path,
		Options: []string{"bind", "ro", "rprivate", "nosuid", "noexec"}})
	return &d.out.LiveDirectories[len(d.out.LiveDirectories)-1], nil
}

// liveFree refuses a directory at, in or below which something else is. What is above
// it may be a mount of the profile's or the runtime's, but no volume: the directory
// would be made in there.
func (d *decider) liveFree(profile, at string) error {
	within := func(p string) bool { p = absolute(p); return p == at || strings.HasPrefix(p, at+"/") }
	refuse := func(what string) error {
		return d.refuse(Occupied, at, "would get the live directory %s of profile %q, but has %s", QuotePath(at), profile, what).Advise("take that out, or give the directory another path")
	}
	for _, m := range d.facts.Container.Mounts {
		dest := absolute(m.Destination)
		if within(dest) || isBind(m) && strings.HasPrefix(at, strings.TrimSuffix(dest, "/")+"/") {
			return refuse("a volume of its own mounted at " + QuotePath(dest))
		}
	}
	for _, have := range d.facts.Container.Devices {
		if within(have.Path) {
			return refuse("a device of its own at " + QuotePath(absolute(have.Path)))
		}
	}
	for _, m := range d.out.Mounts {
		if within(m.Destination) || isBind(m) && strings.HasPrefix(at, m.Destination+"/") {
			return d.refuse(Conflict, at, "would get the live directory %s of profile %q, and a device or directory at %s: they cannot lie in one another", QuotePath(at), profile, QuotePath(m.Destination))
		}
	}
	for tmpfs := range d.merged.tmpfs {
		if within(tmpfs) {
			return d.refuse(Conflict, at, "would get the live directory %s of profile %q, and a tmpfs at %s: they cannot lie in one another", QuotePath(at), profile, QuotePath(tmpfs))
		}
	}
	return nil
}
