// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"io/fs"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var (
	cardNode   = HostDevice{Path: "/dev/dri/card0", Resolved: "/dev/dri/card0", Type: "c", Major: 226, Minor: 0, Mode: 0o666}
	renderNode = HostDevice{Path: "/dev/dri/renderD128", Resolved: "/dev/dri/renderD128", Type: "c", Major: 226, Minor: 128, Mode: 0o660, GID: 993}
	stickNode  = HostDevice{Path: "/dev/serial/by-id/stick", Resolved: "/dev/ttyUSB0", Type: "c", Major: 188, Minor: 0, Mode: 0o666}
	linkNode   = HostDevice{Path: "/dev/dri/by-path/card", Resolved: "/dev/dri/card0", Type: "c", Major: 226, Minor: 0, Mode: 0o666}
)

// hostPath mounts a source of the node, which the node says something of.
func hostPath(source, at string, is VolumeSource, options ...string) func(*Facts) {
	return func(f *Facts) {
		f.Container.Mounts = append(f.Container.Mounts, specs.Mount{Destination: at, Type: "bind", Source: source, Options: append([]string{"rbind"}, options...)})
		if f.Host.Sources == nil {
			f.Host.Sources = map[string]VolumeSource{}
		}
		f.Host.Sources[source] = is
	}
}

func isDevice(h HostDevice) VolumeSource   { return VolumeSource{Device: Is(h)} }
func isDirectory(path string) VolumeSource { return VolumeSource{Directory: path} }

func TestDecideVolumes(t *testing.T) {
	has := func(nodes ...HostDevice) func(*Facts) {
		return func(f *Facts) {
			for _, n := range nodes {
				onNode(f, n.Path, n)
			}
		}
	}
	one := func(path, at string) []Profile {
		return []Profile{withDevices("p", DeviceRule{Path: path, ContainerPath: at, Access: "rw", GID: ID{Of: OfNumber}})}
	}
	shadow := func(h HostDevice, at string, uid, gid uint32) Adjustment {
		return Adjustment{
			ShadowNodes: []ShadowNode{{Path: "/dev/.udev/nodegate/c0ffee/0", Type: h.Type, Major: h.Major, Minor: h.Minor, Mode: h.Mode, UID: uid, GID: gid, ContainerPath: at}},
			Mounts:      []specs.Mount{{Destination: at, Type: "bind", Source: "/dev/.udev/nodegate/c0ffee/0", Options: []string{"bind", "rw", "rprivate", "nosuid", "noexec"}}},
			DeviceRules: []specs.LinuxDeviceCgroup{{Allow: true, Type: h.Type, Major: &h.Major, Minor: &h.Minor, Access: "rw"}},
		}
	}
	without := func(a Adjustment, binds ...string) Adjustment { a.Unmounts = binds; return a }
	card := one("/dev/dri/card0", "")
	stick := one("/dev/serial/by-id/stick", "/dev/ttyACM0")
	dri := isDirectory("/dev/dri")
	const takeOut = ": take the volume out, since the profile gives the device"

	runDecide(t, []decideCase{
		{name: "the same device", profiles: card, facts: and(has(cardNode), hostPath("/dev/dri/card0", "/dev/dri/card0", isDevice(cardNode))),
			want: without(devices(made(cardNode, "/dev/dri/card0", "rw", 0o666, 0, 0)), "/dev/dri/card0")},
		{name: "the same device by other paths", profiles: stick, facts: and(has(stickNode), hostPath("/dev/ttyUSB0", "/dev//ttyACM0/", isDevice(HostDevice{Path: "/dev/ttyUSB0", Type: "c", Major: 188}))),
			want: without(devices(made(stickNode, "/dev/ttyACM0", "rw", 0o666, 0, 0)), "/dev//ttyACM0/")},
		{name: "the same device, user namespace", profiles: card, facts: and(has(cardNode), inUserNamespace, hostPath("/dev/dri/card0", "/dev/dri/card0", isDevice(cardNode))),
			want: shadow(cardNode, "/dev/dri/card0", 100000, 200000)},
		{name: "the same device at a path with a slash, user namespace", profiles: card, facts: and(has(cardNode), inUserNamespace, hostPath("/dev/dri/card0", "/dev/dri/card0/", isDevice(cardNode))),
			want: without(shadow(cardNode, "/dev/dri/card0", 100000, 200000), "/dev/dri/card0/")},
		{name: "another device", profiles: card, facts: and(has(cardNode), hostPath("/dev/dri/renderD128", "/dev/dri/card0", isDevice(renderNode))), code: Occupied,
			refusal: `would get device "/dev/dri/card0" of profile "p", but has a volume of its own mounted at "/dev/dri/card0"` + takeOut},
		{name: "another file of the node", profiles: card, facts: and(has(cardNode), hostPath("/var/lib/x", "/dev/dri/card0", VolumeSource{})), code: Occupied,
			refusal: `would get device "/dev/dri/card0" of profile "p", but has a volume of its own mounted at "/dev/dri/card0"` + takeOut},
		{name: "a directory at the very path", profiles: card, facts: and(has(cardNode), hostPath("/dev/dri", "/dev/dri/card0", dri)), code: Occupied,
			refusal: `would get device "/dev/dri/card0" of profile "p", but has a volume of its own mounted at "/dev/dri/card0"` + takeOut},
		{name: "the same twice", profiles: card, facts: and(has(cardNode), hostPath("/dev/dri/card0", "/dev/dri/card0", isDevice(cardNode)), hostPath("/dev/dri/card0", "/dev/dri/card0", isDevice(cardNode))), code: Occupied,
			refusal: `would get device "/dev/dri/card0" of profile "p", but has a volume of its own mounted at "/dev/dri/card0"` + takeOut},

		// A directory keeps its place: what lies over it must be there already.
		{name: "in a directory", profiles: card, facts: and(has(cardNode), hostPath("/dev/dri", "/dev/dri", dri, "rprivate")), want: shadow(cardNode, "/dev/dri/card0", 0, 0)},
		{name: "in a directory, user namespace", profiles: card, facts: and(has(cardNode), inUserNamespace, hostPath("/dev/dri", "/dev/dri", dri)),
			want:    without(shadow(cardNode, "/dev/dri/card0", 100000, 200000), "/dev/dri"),
			reasons: []Reason{{LeftOut, "p", `volume "/dev/dri" of the node's "/dev/dri": a pod with a user namespace cannot have it, so the profile's devices come in its place`}}},
		{name: "in all of /dev, user namespace", profiles: card, facts: and(has(cardNode), inUserNamespace, hostPath("/dev/dri", "/dev/dri", dri), hostPath("/dev", "/dev", isDirectory("/dev"))), code: Occupied,
			refusal: `would get device "/dev/dri/card0" of profile "p", but has a volume of its own mounted at "/dev"` + takeOut},
		{name: "in all of /dev", profiles: card, facts: and(has(cardNode), hostPath("/dev", "/dev", isDirectory("/dev"))), want: shadow(cardNode, "/dev/dri/card0", 0, 0)},
		{name: "in a directory elsewhere", profiles: one("/dev/dri/card0", "/gpu/card0"), facts: and(has(cardNode), hostPath("/dev/dri", "/gpu", dri)),
			want: shadow(cardNode, "/gpu/card0", 0, 0)},
		{name: "in a directory where it is another", profiles: one("/dev/dri/card0", "/dev/dri/renderD128"), facts: and(has(cardNode), hostPath("/dev/dri", "/dev/dri", dri)), code: Occupied,
			refusal: `would get device "/dev/dri/renderD128" of profile "p", but has the node's "/dev/dri" as a volume at "/dev/dri", in which that is another file or none` + takeOut},
		{name: "in a directory that propagates", profiles: card, facts: and(has(cardNode), hostPath("/dev/dri", "/dev/dri", dri, "rshared")), code: Occupied,
			refusal: `would get device "/dev/dri/card0" of profile "p", but has a volume at "/dev/dri" that propagates mounts to the node: write no mountPropagation: Bidirectional there, or take the volume out`},
		{name: "a link within a directory", profiles: one("/dev/dri/by-path/card", ""), facts: and(has(linkNode), hostPath("/dev/dri", "/dev/dri", dri)), want: shadow(linkNode, "/dev/dri/card0", 0, 0)},
		{name: "a link within a directory elsewhere", profiles: one("/dev/dri/by-path/card", "/gpu/by-path/card"), facts: and(has(linkNode), hostPath("/dev/dri", "/gpu", dri)), code: Occupied,
			refusal: `would get device "/gpu/by-path/card" of profile "p", but has the node's "/dev/dri" as a volume at "/gpu", in which that is another file or none` + takeOut},
		{name: "a link out of a directory", profiles: one("/dev/serial/by-id/stick", ""), facts: and(has(stickNode), hostPath("/dev/serial", "/dev/serial", isDirectory("/dev/serial"))), code: Occupied,
			refusal: `would get device "/dev/serial/by-id/stick" of profile "p", but has the node's "/dev/serial" as a volume at "/dev/serial", in which that is another file or none` + takeOut},
		{name: "the nearer volume counts", profiles: card, facts: and(has(cardNode), volume("/dev"), hostPath("/dev/dri", "/dev/dri", dri)), want: shadow(cardNode, "/dev/dri/card0", 0, 0)},
		{name: "the nearer volume is foreign", profiles: card, facts: and(has(cardNode), hostPath("/dev", "/dev", isDirectory("/dev")), volume("/dev/dri")), code: Occupied,
			refusal: `would get device "/dev/dri/card0" of profile "p", but has a volume of its own mounted at "/dev/dri"` + takeOut},
	})
}

func TestDecideOwner(t *testing.T) {
	render := func(change func(*DeviceRule)) []Profile {
		r := DeviceRule{Path: "/dev/dri/renderD128", Access: "rw"}
		change(&r)
		return []Profile{withDevices("gpu", r)}
	}
	as := func(uid, gid uint32, groups ...uint32) func(*Facts) {
		return func(f *Facts) {
			onNode(f, renderNode.Path, renderNode)
			f.Container.User, f.Container.Groups = Is(User{uid, gid}), Is(groups)
		}
	}
	got := func(mode fs.FileMode, uid, gid uint32) Adjustment {
		return devices(made(renderNode, renderNode.Path, "rw", mode, uid, gid))
	}
	shadow := func(gid uint32) Adjustment {
		major, minor := int64(226), int64(128)
		return Adjustment{
			ShadowNodes: []ShadowNode{{Path: "/dev/.udev/nodegate/c0ffee/0", Type: "c", Major: 226, Minor: 128, Mode: 0o660, UID: 100000, GID: gid, ContainerPath: renderNode.Path}},
			Mounts:      []specs.Mount{{Destination: renderNode.Path, Type: "bind", Source: "/dev/.udev/nodegate/c0ffee/0", Options: []string{"bind", "rw", "rprivate", "nosuid", "noexec"}}},
			DeviceRules: []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: &major, Minor: &minor, Access: "rw"}},
		}
	}
	cannot := func(mode, owner, remedy string) Reason {
		return unopened("gpu", renderNode.Path, "rw", mode, owner, remedy)
	}
	same := func(*DeviceRule) {}
	const toGroup = `put 993 into the pod's supplementalGroups, or write gid = "user" in the profile`
	unmapped := Reason{LeftOut, "gpu", `gid 993 of device "/dev/dri/renderD128" on the node: the pod's user namespace does not have it, so the device belongs to the container's root; the profile may say what else, as in gid = ["host", "user"]`}
	mapped := func(f *Facts) { f.Host.GIDMap = idMap(extent(0, 200000, 65536), extent(70000, 990, 10)) }

	runDecide(t, []decideCase{
		{name: "the host's group", profiles: render(same), facts: as(1000, 1000, 993, 44), want: got(0o660, 0, 993)},
		{name: "the host's group as the primary one", profiles: render(same), facts: as(1000, 993), want: got(0o660, 0, 993)},
		{name: "not in the group", profiles: render(same), facts: as(1000, 1000, 44), want: got(0o660, 0, 993), reasons: []Reason{cannot("0660", "0:993", toGroup)}},
		{name: "groups not known", profiles: render(same), facts: and(as(1000, 1000), func(f *Facts) { f.Container.Groups.OK = false }), want: got(0o660, 0, 993)},
		{name: "user not known", profiles: render(same), facts: and(as(1000, 1000), func(f *Facts) { f.Container.User.OK = false }), want: got(0o660, 0, 993)},
		{name: "root", profiles: render(same), facts: as(0, 0), want: got(0o660, 0, 993)},
		{name: "root without CAP_DAC_OVERRIDE", profiles: render(func(r *DeviceRule) { r.UID = ID{OfNumber, 7} }), facts: and(as(0, 0), func(f *Facts) { f.Container.Capabilities = Is([]string{"CAP_CHOWN"}) }),
			want: got(0o660, 7, 993), reasons: []Reason{{CannotOpen, "gpu", `device "/dev/dri/renderD128": uid 0 of the container cannot open it with access rw, since its mode is 0660 and it belongs to 7:993 there: ` + toGroup}}},
		{name: "a mode that does not rely on the group", profiles: render(func(r *DeviceRule) { r.Mode = Is(fs.FileMode(0o666)) }), facts: as(1000, 1000), want: got(0o666, 0, 0)},
		{name: "gid user", profiles: render(func(r *DeviceRule) { r.GID.Of = OfProcess }), facts: as(1000, 1000), want: got(0o660, 0, 1000)},
		{name: "gid 0", profiles: render(func(r *DeviceRule) { r.GID.Of = OfNumber }), facts: as(1000, 1000, 993), want: got(0o660, 0, 0),
			reasons: []Reason{cannot("0660", "0:0", `put 0 into the pod's supplementalGroups, or write gid = "user" in the profile`)}},
		{name: "uid host", profiles: render(func(r *DeviceRule) { r.UID.Of = OfHost }), facts: and(as(7, 7), func(f *Facts) { n := renderNode; n.UID = 7; onNode(f, n.Path, n) }), want: got(0o660, 7, 993)},
		{name: "the owner has fewer rights", profiles: render(func(r *DeviceRule) { r.Mode, r.UID.Of = Is(fs.FileMode(0o466)), OfProcess }), facts: as(1000, 1000), want: got(0o466, 1000, 0),
			reasons: []Reason{cannot("0466", "1000:0", `put 0 into the pod's supplementalGroups, or write gid = "user" in the profile`)}},

		{name: "not mapped", profiles: render(same), facts: and(as(1000, 1000, 993), inUserNamespace), want: shadow(200000),
			reasons: []Reason{unmapped, cannot("0660", "0:0", `write gid = "user" in the profile`)}},
		{name: "mapped", profiles: render(same), facts: and(as(1000, 1000, 70003), inUserNamespace, mapped), want: shadow(993)},
		{name: "the profile says what else", profiles: render(func(r *DeviceRule) { r.GID.Of, r.GIDElse.Of = OfHost, OfProcess }), facts: and(as(1000, 1000), inUserNamespace), want: shadow(201000)},
		{name: "gid user in a user namespace", profiles: render(func(r *DeviceRule) { r.GID.Of = OfProcess }), facts: and(as(1000, 1000), inUserNamespace), want: shadow(201000)},
	})
}
