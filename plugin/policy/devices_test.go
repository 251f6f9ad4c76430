// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var (
	kvmNode  = HostDevice{Path: "/dev/kvm", Type: "c", Major: 10, Minor: 232, Mode: 0o660}
	fuseNode = HostDevice{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, Mode: 0o666}
	usb0Node = HostDevice{Path: "/dev/ttyUSB0", Type: "c", Major: 188, Minor: 0, Mode: 0o620}
	usb1Node = HostDevice{Path: "/dev/ttyUSB1", Type: "c", Major: 188, Minor: 1, Mode: 0o600}
	diskNode = HostDevice{Path: "/dev/sda", Type: "b", Major: 8, Minor: 0, Mode: 0o660}
)

// onNode says what each pattern finds on the node.
func onNode(f *Facts, pattern string, nodes ...HostDevice) {
	if f.Host.Devices == nil {
		f.Host.Devices = map[DeviceSelector]DeviceLookup{}
	}
	f.Host.Devices[DeviceSelector{Path: pattern}] = DeviceLookup{Nodes: nodes}
}

// usualNode has the devices above.
func usualNode(f *Facts) {
	for _, d := range []HostDevice{kvmNode, fuseNode, usb0Node, diskNode} {
		onNode(f, d.Path, d)
	}
	onNode(f, "/dev/ttyUSB*", usb0Node, usb1Node)
	onNode(f, "/dev/ttyUSB[0]", usb0Node)
}

// unopened is the warning of a device that uid 1000 of the usual container gets
// and cannot open.
func unopened(profile, at, access, mode, owner, remedy string) Reason {
	return Reason{CannotOpen, profile, fmt.Sprintf("device %q: uid 1000 of the container cannot open it with access %s, since its mode is %s and it belongs to %s there: %s",
		at, access, mode, owner, remedy)}
}

var zigbeeUSB = USB{Vendor: "10c4", Product: "ea60", Serial: `a"b`, Subsystem: "tty"}

// onUSB says which nodes the node has of that USB device.
func onUSB(nodes ...HostDevice) func(*Facts) {
	return func(f *Facts) {
		f.Host.Devices = map[DeviceSelector]DeviceLookup{{USB: zigbeeUSB}: {Nodes: nodes}}
	}
}

// oneOf is a profile with a list of devices.
func oneOf(rules ...DeviceRule) []Profile {
	p := withDevices("modem", rules...)
	var list []DeviceSelector
	for _, r := range rules {
		list = append(list, r.Selector())
	}
	p.OneOf = [][]DeviceSelector{list}
	return []Profile{p}
}

// inDirectory says what the node has below /dev/usb.
func inDirectory(nodes ...HostDevice) func(*Facts) {
	return func(f *Facts) {
		f.Host.Devices = map[DeviceSelector]DeviceLookup{{Path: "/dev/usb"}: {Nodes: nodes, Directory: true}}
	}
}

// made is a device that the runtime makes.
func made(d HostDevice, path, access string, mode fs.FileMode, uid, gid uint32) Device {
	return Device{Access: access, LinuxDevice: specs.LinuxDevice{Path: path, Type: d.Type, Major: d.Major, Minor: d.Minor, FileMode: &mode, UID: &uid, GID: &gid}}
}

func devices(list ...Device) Adjustment { return Adjustment{Devices: list} }

func withDevices(name string, rules ...DeviceRule) Profile {
	return Profile{Name: name, Devices: rules}
}

func and(changes ...func(*Facts)) func(*Facts) {
	return func(f *Facts) {
		for _, change := range changes {
			change(f)
		}
	}
}

func mounted(mounts ...specs.Mount) func(*Facts) {
	return func(f *Facts) { f.Container.Mounts = append(f.Container.Mounts, mounts...) }
}

func volume(at string) func(*Facts) {
	return mounted(specs.Mount{Destination: at, Type: "bind", Source: "/var/lib/kubelet/x", Options: []string{"rbind", "rw"}})
}

func TestDecideDevices(t *testing.T) {
	kvm := DeviceRule{Path: "/dev/kvm", Access: "rw"}
	with := func(change func(*DeviceRule)) DeviceRule { r := kvm; change(&r); return r }
	one := func(r DeviceRule) []Profile { return []Profile{withDevices("kvm", r)} }
	plain := devices(made(kvmNode, "/dev/kvm", "rw", 0o660, 0, 0))
	usb := func(r DeviceRule) []Profile { return []Profile{withDevices("modem", r)} }

	toFind := devices(made(kvmNode, "/dev/kvm", "rw", 0o660, 0, 0))
	toFind.Devices[0].Process = Process{GID: true}
	runDecide(t, []decideCase{
		{name: "as on the host", profiles: one(kvm), facts: usualNode, want: plain},
		{name: "of the numbers that the profile says", profiles: one(with(func(r *DeviceRule) { r.Type, r.Major, r.Minor = "c", Is[int64](10), Is[int64](232) })), facts: usualNode, want: plain},
		{name: "another type", profiles: one(with(func(r *DeviceRule) { r.Type, r.Major = "b", Is[int64](10) })), facts: usualNode, code: BadDevice,
			refusal: `would get profile "kvm", but "/dev/kvm" is c 10:232 on this node, and the profile says b 10:*: somebody may have put another device in its place`},
		{name: "another number", profiles: one(with(func(r *DeviceRule) { r.Minor, r.Major = Is[int64](229), Is[int64](10) })), facts: usualNode, code: BadDevice,
			refusal: `would get profile "kvm", but "/dev/kvm" is c 10:232 on this node, and the profile says * 10:229: somebody may have put another device in its place`},
		{name: "another number among many", profiles: usb(DeviceRule{Path: "/dev/ttyUSB*", Access: "rw", Minor: Is[int64](0), Major: Is[int64](188)}), facts: usualNode, code: BadDevice,
			refusal: `would get profile "modem", but "/dev/ttyUSB1" is c 188:1 on this node, and the profile says * 188:0: somebody may have put another device in its place`},
		{name: "a directory", profiles: usb(DeviceRule{Path: "/dev/usb", Access: "rw"}), facts: inDirectory(usb0Node),
			want: devices(made(usb0Node, "/dev/ttyUSB0", "rw", 0o620, 0, 0)), reasons: []Reason{unopened("modem", "/dev/ttyUSB0", "rw", "0620", "0:0", `write uid = "user" in the profile`)}},
		{name: "a directory without a device", profiles: usb(DeviceRule{Path: "/dev/usb", Access: "rw"}), facts: inDirectory(), code: NoDevice,
			refusal: `would get profile "modem", but the directory "/dev/usb" of this node holds no device`},
		{name: "an optional directory without a device", profiles: usb(DeviceRule{Path: "/dev/usb", Access: "rw", Optional: true}), facts: inDirectory(),
			reasons: []Reason{{LeftOut, "modem", `device "/dev/usb" is optional and not on this node`}}},
		{name: "a name of udev's", profiles: usb(DeviceRule{Path: `/dev/by-partlabel/Basic data`, Access: "r"}), facts: usualNode, code: NoDevice,
			refusal: `would get profile "modem", but this node has no device "/dev/by-partlabel/Basic data"`},
		{name: "a USB device", profiles: usb(DeviceRule{USB: zigbeeUSB, Access: "rw"}), facts: onUSB(usb0Node, usb1Node),
			want:    devices(made(usb0Node, "/dev/ttyUSB0", "rw", 0o620, 0, 0), made(usb1Node, "/dev/ttyUSB1", "rw", 0o600, 0, 0)),
			reasons: []Reason{unopened("modem", "/dev/ttyUSB0", "rw", "0620", "0:0", `write uid = "user" in the profile`), unopened("modem", "/dev/ttyUSB1", "rw", "0600", "0:0", `write uid = "user" in the profile`)}},
		{name: "a USB device at a path", profiles: usb(DeviceRule{USB: zigbeeUSB, ContainerPath: "/dev/modem", Access: "rw", Mode: Is(fs.FileMode(0o666))}), facts: onUSB(usb0Node),
			want: devices(made(usb0Node, "/dev/modem", "rw", 0o666, 0, 0))},
		{name: "two USB devices at a path", profiles: usb(DeviceRule{USB: zigbeeUSB, ContainerPath: "/dev/modem", Access: "rw"}), facts: onUSB(usb0Node, usb1Node), code: Conflict,
			refusal: `would get profile "modem", but usb 10c4:ea60 serial "a\"b" (tty) matches 2 devices of this node, which cannot all be "/dev/modem"`},
		{name: "no USB device", profiles: usb(DeviceRule{USB: zigbeeUSB, Access: "rw"}), facts: usualNode, code: NoDevice,
			refusal: `would get profile "modem", but this node has no device usb 10c4:ea60 serial "a\"b" (tty)`},
		{name: "one of two", profiles: oneOf(DeviceRule{Path: "/dev/ttyACM0", Access: "rw", Optional: true}, DeviceRule{Path: "/dev/ttyUSB1", Access: "rw", Optional: true, Mode: Is(fs.FileMode(0o666))}),
			facts: func(f *Facts) { onNode(f, "/dev/ttyUSB1", usb1Node) }, want: devices(made(usb1Node, "/dev/ttyUSB1", "rw", 0o666, 0, 0)),
			reasons: []Reason{{LeftOut, "modem", `device "/dev/ttyACM0" is optional and not on this node`}}},
		{name: "none of two", profiles: oneOf(DeviceRule{Path: "/dev/ttyACM0", Access: "rw", Optional: true}, DeviceRule{USB: zigbeeUSB, Access: "rw", Optional: true}), facts: usualNode, code: NoDevice,
			refusal: `would get profile "modem", but this node has none of the devices "/dev/ttyACM0", usb 10c4:ea60 serial "a\"b" (tty)`},
		{name: "read only", profiles: one(with(func(r *DeviceRule) { r.Access = "r" })), facts: usualNode, want: devices(made(kvmNode, "/dev/kvm", "r", 0o660, 0, 0))},
		{name: "mknod only", profiles: one(with(func(r *DeviceRule) { r.Access = "m" })), facts: usualNode, want: devices(made(kvmNode, "/dev/kvm", "m", 0o660, 0, 0))},
		{name: "a block device", profiles: one(DeviceRule{Path: "/dev/sda", Access: "r"}), facts: usualNode, want: devices(made(diskNode, "/dev/sda", "r", 0o660, 0, 0))},
		{name: "mode, owner, path", profiles: one(DeviceRule{Path: "/dev/kvm", ContainerPath: "/opt/vm", Access: "rw", Mode: Is(fs.FileMode(0)), UID: ID{Of: OfNumber, Number: 7}, GID: ID{Of: OfNumber, Number: 36}}),
			facts: usualNode, want: devices(made(kvmNode, "/opt/vm", "rw", 0, 7, 36)), reasons: []Reason{unopened("kvm", "/opt/vm", "rw", "0000", "7:36", `write another mode in the profile, such as mode = "0660"`)}},
		{name: "user", profiles: one(with(func(r *DeviceRule) { r.UID.Of, r.GID.Of = OfProcess, OfProcess })), facts: usualNode, want: devices(made(kvmNode, "/dev/kvm", "rw", 0o660, 1000, 2000))},
		{name: "unknown user", profiles: one(with(func(r *DeviceRule) { r.GID.Of = OfProcess })), facts: and(usualNode, func(f *Facts) { f.Container.User = Known[User]{} }), code: UnknownFact,
			refusal: `would get device "/dev/kvm" of profile "kvm", which belongs to the container's user, and this runtime does not tell who that is: set runtimeClassName: nodegate in the pod's spec (a RuntimeClass of handler "nodegate"), have the profile say a number instead of "user", or use containerd 2.3 or later`},
		{name: "unknown user, for the wrapper to find", profiles: one(with(func(r *DeviceRule) { r.GID.Of = OfProcess })),
			facts: and(usualNode, func(f *Facts) { f.Container.User, f.Request.Handler = Known[User]{}, "nodegate" }), want: toFind},
		{name: "unknown user that does not matter", profiles: one(kvm), facts: and(usualNode, func(f *Facts) { f.Container.User = Known[User]{} }), want: plain},

		{name: "a glob", profiles: usb(DeviceRule{Path: "/dev/ttyUSB*", Access: "rw", Mode: Is(fs.FileMode(0o660))}), facts: usualNode,
			want: devices(made(usb0Node, "/dev/ttyUSB0", "rw", 0o660, 0, 0), made(usb1Node, "/dev/ttyUSB1", "rw", 0o660, 0, 0))},
		{name: "a glob that finds one, with a path", profiles: usb(DeviceRule{Path: "/dev/ttyUSB[0]", ContainerPath: "/dev/modem", Access: "rw"}), facts: usualNode,
			want: devices(made(usb0Node, "/dev/modem", "rw", 0o620, 0, 0)), reasons: []Reason{unopened("modem", "/dev/modem", "rw", "0620", "0:0", `write uid = "user" in the profile`)}},
		{name: "a glob that finds two, with a path", profiles: usb(DeviceRule{Path: "/dev/ttyUSB*", ContainerPath: "/dev/modem", Access: "rw"}), facts: usualNode, code: Conflict,
			refusal: `would get profile "modem", but "/dev/ttyUSB*" matches 2 devices of this node, which cannot all be "/dev/modem"`},
		{name: "missing", profiles: one(kvm), code: NoDevice, refusal: `would get profile "kvm", but this node has no device "/dev/kvm"`},
		{name: "optional and missing", profiles: one(with(func(r *DeviceRule) { r.Optional = true })), reasons: []Reason{{LeftOut, "kvm", `device "/dev/kvm" is optional and not on this node`}}},
		{name: "optional and there", profiles: one(with(func(r *DeviceRule) { r.Optional = true })), facts: usualNode, want: plain},
		{name: "optional and broken", profiles: one(with(func(r *DeviceRule) { r.Optional = true })), code: BadDevice,
			facts: func(f *Facts) {
				f.Host.Devices = map[DeviceSelector]DeviceLookup{{Path: "/dev/kvm"}: {Err: errors.New("it is a regular file")}}
			},
			refusal: `would get profile "kvm", but its device "/dev/kvm" cannot be given: it is a regular file`},

		{name: "access adds up", profiles: []Profile{withDevices("a", with(func(r *DeviceRule) { r.Access = "m" })), withDevices("b", with(func(r *DeviceRule) { r.Access = "r" }))}, facts: usualNode,
			want: devices(made(kvmNode, "/dev/kvm", "rm", 0o660, 0, 0))},
		{name: "required beats optional", profiles: []Profile{withDevices("a", with(func(r *DeviceRule) { r.Optional = true })), withDevices("b", kvm)}, code: NoDevice,
			refusal: `would get profile "a", but this node has no device "/dev/kvm"`},
		{name: "a glob and a name meet", profiles: []Profile{withDevices("a", DeviceRule{Path: "/dev/ttyUSB*", Access: "r"}), withDevices("b", DeviceRule{Path: "/dev/ttyUSB0", Access: "w"})}, facts: usualNode,
			want: devices(made(usb0Node, "/dev/ttyUSB0", "rw", 0o620, 0, 0), made(usb1Node, "/dev/ttyUSB1", "r", 0o600, 0, 0)), reasons: []Reason{unopened("a", "/dev/ttyUSB0", "rw", "0620", "0:0", `write uid = "user" in the profile`),
				unopened("a", "/dev/ttyUSB1", "r", "0600", "0:0", `write uid = "user" in the profile`)}},
		{name: "a glob and a name disagree", profiles: []Profile{withDevices("a", DeviceRule{Path: "/dev/ttyUSB*", Access: "r"}), withDevices("b", DeviceRule{Path: "/dev/ttyUSB0", Access: "r", Mode: Is(fs.FileMode(0o666))})}, facts: usualNode, code: Conflict,
			refusal: `would get device "/dev/ttyUSB0" twice, by "/dev/ttyUSB*" of profile "a" and "/dev/ttyUSB0" of profile "b", which disagree on the mode`},
		{name: "two nodes at one path", profiles: []Profile{withDevices("a", DeviceRule{Path: "/dev/ttyUSB*", Access: "r"}), withDevices("b", DeviceRule{Path: "/dev/kvm", ContainerPath: "/dev/ttyUSB1", Access: "r"})}, facts: usualNode, code: Conflict,
			refusal: `would get device "/dev/ttyUSB1" twice, by "/dev/ttyUSB*" of profile "a" and "/dev/kvm" of profile "b", which disagree on the host's node`},
		{name: "one node at two paths has one access", profiles: one(with(func(r *DeviceRule) { r.Access, r.ContainerPath = "w", "/dev/x" }))[:1:1],
			grants: []Grant{{Source: "p.toml:1", Profiles: []string{"kvm"}, Namespaces: []string{"ci"}, Always: true}}, facts: usualNode,
			want: devices(made(kvmNode, "/dev/x", "w", 0o660, 0, 0)), reasons: []Reason{{Granted, "kvm", "granted always by p.toml:1"}}},
		{name: "one node at two paths, read and written", profiles: []Profile{withDevices("a", kvmAt("/dev/x", "r"), kvmAt("/dev/y", "w"))}, facts: usualNode,
			want: devices(made(kvmNode, "/dev/x", "rw", 0o660, 0, 0), made(kvmNode, "/dev/y", "rw", 0o660, 0, 0))},

		{name: "rules without a node", profiles: []Profile{{Name: "a", Devices: []DeviceRule{kvm}, DeviceCgroupRules: []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: ptr(int64(188)), Access: "rw"}}}}, facts: usualNode,
			want: Adjustment{Devices: plain.Devices, DeviceRules: []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: ptr(int64(188)), Access: "rw"}}}},

		{name: "the default /dev is no volume", profiles: one(kvm), facts: and(usualNode, mounted(specs.Mount{Destination: "/dev", Type: "tmpfs", Options: []string{"nosuid", "strictatime"}})), want: plain},
		{name: "a volume elsewhere", profiles: one(kvm), facts: and(usualNode, volume("/dev/kvmx"), volume("/data")), want: plain},
		{name: "a volume at the path", profiles: one(kvm), facts: and(usualNode, volume("/dev/kvm")), code: Occupied,
			refusal: `would get device "/dev/kvm" of profile "kvm", but has a volume of its own mounted at "/dev/kvm": take the volume out, since the profile gives the device`},
		{name: "a volume above the path", profiles: one(kvm), facts: and(usualNode, volume("/dev")), code: Occupied,
			refusal: `would get device "/dev/kvm" of profile "kvm", but has a volume of its own mounted at "/dev": take the volume out, since the profile gives the device`},
		{name: "the same device of the pod's own", profiles: one(kvm), facts: and(usualNode, podDevice("/dev/kvm", kvmNode)), want: plain},
	})
}

func kvmAt(path, access string) DeviceRule {
	return DeviceRule{Path: "/dev/kvm", ContainerPath: path, Access: access}
}

// podDevice is a device that the pod has already.
func podDevice(path string, d HostDevice) func(*Facts) {
	return func(f *Facts) {
		f.Container.Devices = append(f.Container.Devices, specs.LinuxDevice{Path: path, Type: d.Type, Major: d.Major, Minor: d.Minor})
	}
}

func TestDecideShadowNodes(t *testing.T) {
	kvm := DeviceRule{Path: "/dev/kvm", Access: "rw"}
	with := func(change func(*DeviceRule)) []Profile {
		r := kvm
		change(&r)
		return []Profile{withDevices("kvm", r)}
	}
	same := func(*DeviceRule) {}
	ns := and(usualNode, inUserNamespace)
	shadow := func(access string, mode fs.FileMode, uid, gid uint32) Adjustment {
		return Adjustment{
			ShadowNodes: []ShadowNode{{Path: "/dev/.udev/nodegate/c0ffee/0", Type: "c", Major: 10, Minor: 232, Mode: mode, UID: uid, GID: gid, ContainerPath: "/dev/kvm"}},
			Mounts:      []specs.Mount{{Destination: "/dev/kvm", Type: "bind", Source: "/dev/.udev/nodegate/c0ffee/0", Options: []string{"bind", "rw", "rprivate", "nosuid", "noexec"}}},
			DeviceRules: []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: ptr(int64(10)), Minor: ptr(int64(232)), Access: access}},
		}
	}
	two := shadow("r", 0o660, 100000, 200000)
	two.ShadowNodes = append(two.ShadowNodes, ShadowNode{Path: "/dev/.udev/nodegate/c0ffee/1", Type: "b", Major: 8, Mode: 0o660, UID: 100000, GID: 200000, ContainerPath: "/dev/sda"})
	two.Mounts = append(two.Mounts, specs.Mount{Destination: "/dev/sda", Type: "bind", Source: "/dev/.udev/nodegate/c0ffee/1", Options: []string{"bind", "rw", "rprivate", "nosuid", "noexec"}})
	two.DeviceRules = append(two.DeviceRules, specs.LinuxDeviceCgroup{Allow: true, Type: "b", Major: ptr(int64(8)), Minor: ptr(int64(0)), Access: "m"})

	runDecide(t, []decideCase{
		{name: "root's", profiles: with(same), facts: ns, want: shadow("rw", 0o660, 100000, 200000)},
		{name: "user's, with a mode", profiles: with(func(r *DeviceRule) {
			r.UID.Of, r.GID.Of, r.Mode, r.Access = OfProcess, OfProcess, Is(fs.FileMode(0o600)), "r"
		}), facts: ns,
			want: shadow("r", 0o600, 101000, 202000)},
		{name: "the last id", profiles: with(func(r *DeviceRule) { r.UID = ID{OfNumber, 65535} }), facts: ns, want: shadow("rw", 0o660, 165535, 200000)},
		{name: "two", profiles: []Profile{withDevices("a", kvmAt("", "r"), DeviceRule{Path: "/dev/sda", Access: "m"})}, facts: ns, want: two},
		{name: "uid not mapped", profiles: with(func(r *DeviceRule) { r.UID = ID{OfNumber, 65536} }), facts: ns, code: Unmapped,
			refusal: `would get device "/dev/kvm" of profile "kvm", but its uid 65536 is not in the pod's id map`},
		{name: "the user's gid not mapped", profiles: with(func(r *DeviceRule) { r.GID.Of = OfProcess }), facts: and(ns, func(f *Facts) { f.Container.User.Value.GID = 70000 }), code: Unmapped,
			refusal: `would get device "/dev/kvm" of profile "kvm", but its gid 70000 is not in the pod's id map`},
		{name: "no map", profiles: with(same), facts: and(ns, func(f *Facts) { f.Host.GIDMap = idMap() }), code: Unmapped,
			refusal: `would get device "/dev/kvm" of profile "kvm", but its gid 0 is not in the pod's id map`},
		{name: "unknown map", profiles: with(same), facts: and(ns, func(f *Facts) { f.Host.UIDMap.OK = false }), code: UnknownFact,
			refusal: `would get device "/dev/kvm" of profile "kvm", but its uid is not known: the pod's id map could not be read`},
		{name: "a device of the pod's own", profiles: with(same), facts: and(ns, podDevice("/dev/kvm", kvmNode)), code: Occupied,
			refusal: `would get device "/dev/kvm" of profile "kvm", but has a device there already, from a device plugin or because it is privileged; in a pod with a user namespace it cannot have both: drop one, or set runtimeClassName: nodegate in the pod's spec (a RuntimeClass of handler "nodegate")`},
		{name: "elsewhere", profiles: with(same), facts: and(ns, podDevice("/dev/fuse", fuseNode)), want: shadow("rw", 0o660, 100000, 200000)},
		{name: "a volume at the path", profiles: with(same), facts: and(ns, volume("/dev/kvm")), code: Occupied,
			refusal: `would get device "/dev/kvm" of profile "kvm", but has a volume of its own mounted at "/dev/kvm": take the volume out, since the profile gives the device`},
	})
}

// What the pod has as a device already, under the wrapper, which can take it
// out of the spec.
func TestDecideAdoptDevices(t *testing.T) {
	wrapped := func(f *Facts) { f.Request.Handler = "nodegate" }
	adopt := []Profile{{Name: "adopt", AdoptDevices: true}}
	ns := and(usualNode, inUserNamespace)
	with := func(mode *fs.FileMode, path string) func(*Facts) {
		return func(f *Facts) {
			f.Container.Devices = append(f.Container.Devices, specs.LinuxDevice{Path: path, Type: "c", Major: 188, Minor: 7, FileMode: mode})
			f.Container.DeviceRules = append(f.Container.DeviceRules, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: ptr(int64(188)), Minor: ptr(int64(7)), Access: "rwm"})
		}
	}
	node := func(mode fs.FileMode, uid, gid uint32) Adjustment {
		return Adjustment{
			ShadowNodes: []ShadowNode{{Path: "/dev/.udev/nodegate/c0ffee/0", Type: "c", Major: 188, Minor: 7, Mode: mode, UID: uid, GID: gid, ContainerPath: "/dev/modem", Replaces: true}},
			Mounts:      []specs.Mount{{Destination: "/dev/modem", Type: "bind", Source: "/dev/.udev/nodegate/c0ffee/0", Options: []string{"bind", "rw", "rprivate", "nosuid", "noexec"}}},
		}
	}
	// Whom the wrapper then finds in the spec.
	unknown := node(0o600, 100000, 200000)
	unknown.ShadowNodes[0].Process = Process{UID: true, GID: true}
	// A privileged container has the host's disks under one rule for all.
	privileged := func(f *Facts) {
		f.Container.Devices = []specs.LinuxDevice{{Path: "/dev/vda", Type: "b", Major: 254, Minor: 0}}
		f.Container.DeviceRules = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	}
	const notGiven = `would have its device "/dev/vda" handed to its user by profile "adopt", but no device plugin or CDI gave it that device (a privileged container has every device of the node): drop privileged: true, or the profile`
	replaced := node(0o660, 100000, 200000)
	replaced.ShadowNodes[0].Major, replaced.ShadowNodes[0].Minor, replaced.ShadowNodes[0].ContainerPath = 10, 232, "/dev/kvm"
	replaced.Mounts[0].Destination = "/dev/kvm"
	replaced.DeviceRules = []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: ptr(int64(10)), Minor: ptr(int64(232)), Access: "rw"}}

	runDecide(t, []decideCase{
		{name: "no user namespace", profiles: adopt, facts: with(nil, "/dev/modem"), want: Adjustment{AdoptDevices: []string{"/dev/modem"}}},
		{name: "nothing to adopt", profiles: adopt, facts: ns},
		{name: "privileged", profiles: adopt, facts: and(ns, wrapped, privileged), code: Unmet, refusal: notGiven},
		{name: "privileged, no user namespace", profiles: adopt, facts: and(wrapped, privileged), code: Unmet, refusal: notGiven},
		{name: "a device", profiles: adopt, facts: and(ns, wrapped, with(ptr(fs.FileMode(0o640)), "/dev/modem")), want: node(0o640, 101000, 202000)},
		{name: "a path with no slash, a mode not known", profiles: adopt, facts: and(ns, wrapped, with(nil, "dev//modem")), want: node(0o600, 101000, 202000)},
		{name: "without the wrapper", profiles: adopt, facts: and(ns, with(nil, "/dev/modem")), code: NotCarried,
			refusal: `would get its device "/dev/modem" to use, which in a pod with a user namespace only nodegate-runc can give: set runtimeClassName: nodegate in the pod's spec (a RuntimeClass of handler "nodegate")`},
		{name: "unknown user", profiles: adopt, facts: and(ns, wrapped, with(nil, "/dev/modem"), func(f *Facts) { f.Container.User.OK = false }), want: unknown},
		{name: "a user that is not mapped", profiles: adopt, facts: and(ns, wrapped, with(nil, "/dev/modem"), func(f *Facts) { f.Container.User.Value.UID = 65536 }), code: Unmapped,
			refusal: `would get device "/dev/modem" of profile "adopt", but its uid 65536 is not in the pod's id map`},
		{name: "a profile's own device comes first", profiles: []Profile{{Name: "a", AdoptDevices: true, Devices: []DeviceRule{kvmAt("", "rw")}}}, facts: and(ns, wrapped, podDevice("/dev/kvm", kvmNode)), want: replaced},
	})
}

func TestDeviceSelectors(t *testing.T) {
	p := compile(t, Source{Profiles: []Profile{withDevices("a", kvmAt("", "r"), kvmAt("/dev/x", "r"), DeviceRule{Path: "/dev/tty*", Access: "r"}), withDevices("b", kvmAt("", "w")), {Name: "c", Include: []string{"b"}}},
		Grants: []Grant{{Profiles: []string{"a", "c"}, Namespaces: []string{"ci"}, Always: true}}})
	s, err := p.Select(&facts().Request)
	if got := dump(s.DeviceSelectors()); err != nil || got != dump([]DeviceSelector{{Path: "/dev/kvm"}, {Path: "/dev/tty*"}}) {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestIDMaps(t *testing.T) {
	holes := idMap(extent(0, 1000, 10), extent(20, 5000, 5))
	for _, tc := range []struct {
		m    Known[[]specs.LinuxIDMapping]
		id   uint32
		want uint32
		err  string
	}{
		{m: holes, id: 0, want: 1000}, {m: holes, id: 9, want: 1009}, {m: holes, id: 20, want: 5000}, {m: holes, id: 24, want: 5004},
		{m: holes, id: 10, err: "10 is not in the pod's id map"}, {m: holes, id: 25, err: "25 is not in the pod's id map"},
		{m: idMap(extent(0, 0, 1<<32-1)), id: 1<<32 - 2, want: 1<<32 - 2},
		{m: idMap(extent(0, 0, 1<<32-1)), id: 1<<32 - 1, err: "4294967295 is not in the pod's id map"},
		{m: idMap(extent(1<<32-2, 5, 10)), id: 1<<32 - 1, want: 6},
		// Past the last id, which would wrap around to the node's root.
		{m: idMap(extent(0, 1<<32-2, 10)), id: 2, err: "2 is not in the pod's id map"},
		{m: idMap(extent(0, 1<<32-2, 10)), id: 1, err: "1 is not in the pod's id map"},
	} {
		got, err := mapID(tc.m, tc.id)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != tc.want || text != tc.err {
			t.Errorf("%v, %d: got %d, %q; want %d, %q", tc.m.Value, tc.id, got, text, tc.want, tc.err)
		}
	}
}
