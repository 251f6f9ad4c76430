// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// standing is what a pod has of its own where a device is to be.
type standing struct {
	binds  []string // destinations of binds that make way: of that very device, or a directory of /dev
	within bool     // the path is in a directory of the node's /dev, and is that device
}

// standing looks for volumes at a node's path or above it. A volume that has
// the node's device there is the same wish said in another way. Any other one
// would hide the device, or hold it.
func (d *decider) standing(n *deviceNode) (standing, error) {
	var out standing
	for _, m := range d.volumesAt(n.target) {
		at, source := absolute(m.Destination), d.facts.Host.Sources[m.Source]
		have := source.Device
		again := slices.Contains(out.binds, m.Destination)
		switch {
		case out.within: // what is further up lies below this one
		case at == n.target && have.OK && n.host.sameDevice(have.Value.Type, have.Value.Major, have.Value.Minor) && !again:
			out.binds = append(out.binds, m.Destination)
		case at == n.target || source.Directory == "" || again || d.userNamespace() && at == "/dev":
			return out, d.refuse(Occupied, n.target, "would get device %s of profile %q, but has a volume of its own mounted at %s",
				QuotePath(n.target), n.profile, QuotePath(at)).Advise("take the volume out, since the profile gives the device")
		case d.userNamespace():
			out.binds = append(out.binds, m.Destination)
			d.noteOnce(n.profile, fmt.Sprintf("volume %s of the node's %s: a pod with a user namespace cannot have it, so the profile's devices come in its place",
				QuotePath(at), QuotePath(source.Directory)))
		case source.Directory+n.target[len(at):] != n.host.Resolved:
			// A mount point would be made, in the node's own directory.
			return out, d.refuse(Occupied, n.target, "would get device %s of profile %q, but has the node's %s as a volume at %s, in which that is another file or none",
				QuotePath(n.target), n.profile, QuotePath(source.Directory), QuotePath(at)).Advise("take the volume out, since the profile gives the device")
		case slices.Contains(m.Options, "shared") || slices.Contains(m.Options, "rshared"):
			// The device would appear in the node's own directory.
			return out, d.refuse(Occupied, n.target, "would get device %s of profile %q, but has a volume at %s that propagates mounts to the node",
				QuotePath(n.target), n.profile, QuotePath(at)).Advise("write no mountPropagation: Bidirectional there, or take the volume out")
		default:
			out.within = true
		}
	}
	return out, nil
}

// volumesAt returns what is mounted where a device is to be, at the path itself
// and above it, the nearest first. The tmpfs that every container has at /dev
// is no volume.
func (d *decider) volumesAt(target string) (volumes []specs.Mount) {
	for _, m := range d.facts.Container.Mounts {
		dest := absolute(m.Destination)
		if dest == target || isBind(m) && strings.HasPrefix(target, strings.TrimSuffix(dest, "/")+"/") {
			volumes = append(volumes, m)
		}
	}
	slices.SortStableFunc(volumes, func(a, b specs.Mount) int {
		return cmp.Compare(len(absolute(b.Destination)), len(absolute(a.Destination)))
	})
	return volumes
}

// noteOnce notes what several devices lead to.
func (d *decider) noteOnce(profile, text string) {
	if r := (Reason{LeftOut, profile, text}); !slices.Contains(d.reasons, r) {
		d.reasons = append(d.reasons, r)
	}
}

// inVolume returns where a device is to be in a volume that has the node's
// directory at the same path: at what the node's symbolic link leads to, since
// that is what the container's leads to as well.
func (d *decider) inVolume(target string, h *HostDevice) string {
	volumes := d.volumesAt(target)
	if len(volumes) == 0 || d.userNamespace() {
		return target
	}
	at, dir := absolute(volumes[0].Destination), d.facts.Host.Sources[volumes[0].Source].Directory
	if at != target && dir == at && target == h.Path && strings.HasPrefix(h.Resolved, dir+"/") {
		return h.Resolved
	}
	return target
}

func isBind(m specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}
