// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"io/fs"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDecideLive(t *testing.T) {
	mode := fs.FileMode(0o660)
	adapters := USB{Vendor: "10c4", Product: "ea60", Subsystem: "tty"}
	zigbee := DeviceRule{USB: adapters, Access: "rw", Mode: Is(mode), GID: ID{Of: OfProcess}, Live: "/dev/serial/by-id", Optional: true}
	serial := DeviceRule{Path: "/dev/ttyUSB*", Access: "r", Live: "/dev/serial/by-id/"}
	with := func(r DeviceRule, change func(*DeviceRule)) DeviceRule { change(&r); return r }
	one := func(rules ...DeviceRule) []Profile { return []Profile{withDevices("zigbee", rules...)} }
	rule := func(major int64, access string) specs.LinuxDeviceCgroup {
		return specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &major, Access: access}
	}
	bound := specs.Mount{Destination: "/dev/serial/by-id", Type: "bind", Source: "/dev/.udev/nodegate/c0ffee/live-0",
		Options: []string{"bind", "ro", "rprivate", "nosuid", "noexec"}}
	directory := func(devices ...LiveDevices) []LiveDirectory {
		return []LiveDirectory{{Path: bound.Source, ContainerPath: bound.Destination, Devices: devices}}
	}
	ofZigbee := LiveDevices{Select: DeviceSelector{USB: adapters}, Majors: []int64{188, 166}, Mode: &mode, UID: 100000, GID: 202000}
	ofSerial := LiveDevices{Select: DeviceSelector{Path: "/dev/ttyUSB*"}, Majors: []int64{188}, UID: 100000, GID: 200000}
	here := and(usualNode, inUserNamespace)
	absent := []Reason{{LeftOut, "zigbee", `device usb 10c4:ea60 (tty) is not on this node now, and appears in /dev/serial/by-id when it is plugged in`}}
	occupied := `take that out, or give the directory another path`

	runDecide(t, []decideCase{
		{name: "before it is plugged in", profiles: one(zigbee), facts: here, reasons: absent,
			want: Adjustment{LiveDirectories: directory(ofZigbee), Mounts: []specs.Mount{bound}, DeviceRules: []specs.LinuxDeviceCgroup{rule(188, "rw"), rule(166, "rw")}}},
		{name: "two kinds in one directory", profiles: one(zigbee, serial), facts: here, reasons: absent,
			want: Adjustment{LiveDirectories: directory(ofZigbee, ofSerial), Mounts: []specs.Mount{bound},
				DeviceRules: []specs.LinuxDeviceCgroup{rule(188, "rw"), rule(166, "rw"), rule(188, "r")}}},
		{name: "of two profiles", profiles: []Profile{withDevices("a", serial), withDevices("b", with(serial, func(r *DeviceRule) { r.Access = "w" }))}, facts: here,
			want: Adjustment{LiveDirectories: directory(ofSerial), Mounts: []specs.Mount{bound}, DeviceRules: []specs.LinuxDeviceCgroup{rule(188, "rw")}}},
		{name: "a number of a driver that is not loaded", profiles: one(with(serial, func(r *DeviceRule) { r.Path, r.Major, r.Optional = "/dev/hidraw*", Is[int64](240), true })), facts: here,
			reasons: []Reason{{LeftOut, "zigbee", `device "/dev/hidraw*" is not on this node now, and appears in /dev/serial/by-id when it is plugged in`}},
			want: Adjustment{LiveDirectories: directory(LiveDevices{Select: DeviceSelector{Path: "/dev/hidraw*"}, Majors: []int64{240}, UID: 100000, GID: 200000}),
				Mounts: []specs.Mount{bound}, DeviceRules: []specs.LinuxDeviceCgroup{rule(240, "r")}}},

		{name: "required and absent", profiles: one(with(zigbee, func(r *DeviceRule) { r.Optional = false })), facts: here, code: NoDevice,
			refusal: `would get profile "zigbee", but this node has no device usb 10c4:ea60 (tty)`},
		{name: "without a user namespace", profiles: one(serial), facts: usualNode, code: Unmet,
			refusal: `would get live devices by profile "zigbee", which are safe only where no device node can be made: set hostUsers: false in the pod's spec`},
		{name: "beside another container's processes", profiles: one(serial), facts: and(here, func(f *Facts) { f.Container.PIDNamespace = Is(OtherPID) }), code: Unmet,
			refusal: `would get live devices by profile "zigbee", and shares a PID namespace with processes through whose root it could open others: leave shareProcessNamespace and hostPID out of the pod's spec`},
		{name: "an unknown PID namespace", profiles: one(serial), facts: and(here, func(f *Facts) { f.Container.PIDNamespace = Known[PIDNamespace]{} }), code: UnknownFact,
			refusal: `would get live devices by profile "zigbee", which are safe only in a PID namespace of its own, and the runtime does not tell that`},
		{name: "an unknown user", profiles: one(zigbee), facts: and(here, func(f *Facts) { f.Container.User = Known[User]{} }), code: UnknownFact,
			refusal: `would get live devices by profile "zigbee", which belong to the container's user, and this runtime does not tell who that is: have the profile say a number instead of "user"`},
		{name: "an id that is not mapped", profiles: one(with(serial, func(r *DeviceRule) { r.UID = ID{Of: OfNumber, Number: 70000} })), facts: here, code: Unmapped,
			refusal: `would get live devices by profile "zigbee", but their uid 70000 is not in the pod's id map`},
		{name: "a disk", profiles: one(with(serial, func(r *DeviceRule) { r.Path = "/dev/sda" })), facts: here, code: BadDevice,
			refusal: `would get profile "zigbee", but "/dev/sda" is a block device, which cannot be live: its number would open the node's disks`},
		{name: "a number that is shared", profiles: one(with(serial, func(r *DeviceRule) { r.Path = "/dev/kvm" })), facts: here, code: BadDevice,
			refusal: `would get profile "zigbee", but "/dev/kvm" cannot be live: the major number 10 is that of many small drivers too`},
		{name: "an unknown number", profiles: one(with(serial, func(r *DeviceRule) { r.Path, r.Optional = "/dev/hidraw*", true })), facts: here, code: NoDevice,
			refusal: `would get profile "zigbee", but no device "/dev/hidraw*" is on this node that tells its major number: write major in the profile`},

		{name: "a volume there", profiles: one(serial), facts: and(here, volume("/dev/serial/by-id")), code: Occupied,
			refusal: `would get the live directory "/dev/serial/by-id" of profile "zigbee", but has a volume of its own mounted at "/dev/serial/by-id": ` + occupied},
		{name: "a volume above", profiles: one(serial), facts: and(here, volume("/dev/serial")), code: Occupied,
			refusal: `would get the live directory "/dev/serial/by-id" of profile "zigbee", but has a volume of its own mounted at "/dev/serial": ` + occupied},
		{name: "a volume in it", profiles: one(serial), facts: and(here, volume("dev/serial/by-id/x")), code: Occupied,
			refusal: `would get the live directory "/dev/serial/by-id" of profile "zigbee", but has a volume of its own mounted at "/dev/serial/by-id/x": ` + occupied},
		{name: "a device in it", profiles: one(serial), code: Occupied,
			facts:   and(here, func(f *Facts) { f.Container.Devices = []specs.LinuxDevice{{Path: "/dev/serial/by-id/x", Type: "c"}} }),
			refusal: `would get the live directory "/dev/serial/by-id" of profile "zigbee", but has a device of its own at "/dev/serial/by-id/x": ` + occupied},
		{name: "a tmpfs in it", profiles: []Profile{{Name: "zigbee", Devices: []DeviceRule{serial}, Tmpfs: []Tmpfs{{Path: "/dev/serial/by-id/t"}}}}, facts: here, code: Conflict,
			refusal: `would get the live directory "/dev/serial/by-id" of profile "zigbee", and a tmpfs at "/dev/serial/by-id/t": they cannot lie in one another`},
		{name: "a device of the profile in it", profiles: one(serial, DeviceRule{Path: "/dev/kvm", ContainerPath: "/dev/serial/by-id/kvm", Access: "r"}), facts: here, code: Conflict,
			refusal: `would get the live directory "/dev/serial/by-id" of profile "zigbee", and a device or directory at "/dev/serial/by-id/kvm": they cannot lie in one another`},
		{name: "one in another", profiles: one(serial, with(serial, func(r *DeviceRule) { r.Live = "/dev/serial" })), facts: here, code: Conflict,
			refusal: `would get the live directory "/dev/serial" of profile "zigbee", and a device or directory at "/dev/serial/by-id": they cannot lie in one another`},
		{name: "two modes", profiles: []Profile{withDevices("a", serial), withDevices("b", with(serial, func(r *DeviceRule) { r.Mode = Is(mode) }))}, code: Conflict, ask: "a, b",
			grants:  []Grant{{Source: "p.toml:1", Namespaces: []string{"ci"}, Profiles: []string{"a"}}, {Source: "p.toml:2", Namespaces: []string{"ci"}, Profiles: []string{"b"}}},
			facts:   here,
			refusal: `would get profiles that do not go together: profiles "a" and "b" disagree on the mode of "/dev/ttyUSB*" in "/dev/serial/by-id/" (the host's, 0660)`},
	})
}

// Which of the devices that a container has are others now.
func TestChangedDevices(t *testing.T) {
	p := compile(t, Source{Profiles: []Profile{withDevices("a", DeviceRule{Path: "/dev/ttyUSB*", Access: "rw"}, DeviceRule{Path: "/dev/kvm", ContainerPath: "/dev/vm", Access: "rw"},
		DeviceRule{USB: zigbeeUSB, Access: "rw"}, DeviceRule{Path: "/dev/ttyACM0", Access: "rw", Live: "/dev/live"})},
		Grants: []Grant{{Profiles: []string{"a"}, Namespaces: []string{"ci"}, Always: true}}})
	f := facts()
	s, err := p.Select(&f.Request)
	if err != nil {
		t.Fatal(err)
	}
	node := func(at string, major, minor int64) HostDevice {
		return HostDevice{Path: at, Type: "c", Major: major, Minor: minor}
	}
	given := []GivenDevice{{"/dev/ttyUSB0", "c", 188, 0}, {"/dev/vm", "c", 10, 232}, {"/dev/ttyACM3", "c", 166, 3}, {"/dev/of-a-plugin", "c", 7, 7}}
	paths, usb, kvm := DeviceSelector{Path: "/dev/ttyUSB*"}, DeviceSelector{USB: zigbeeUSB}, DeviceSelector{Path: "/dev/kvm"}
	for _, tc := range []struct {
		name  string
		found map[DeviceSelector]DeviceLookup
		want  string
	}{
		{"as it was", map[DeviceSelector]DeviceLookup{paths: {Nodes: []HostDevice{node("/dev/ttyUSB0", 188, 0)}}, usb: {Nodes: []HostDevice{node("/dev/ttyACM3", 166, 3)}}, kvm: {Nodes: []HostDevice{node("/dev/kvm", 10, 232)}}}, ""},
		{"unplugged", nil, ""},
		{"one more", map[DeviceSelector]DeviceLookup{paths: {Nodes: []HostDevice{node("/dev/ttyUSB0", 188, 0), node("/dev/ttyUSB1", 188, 1)}}}, ""},
		{"another number", map[DeviceSelector]DeviceLookup{paths: {Nodes: []HostDevice{node("/dev/ttyUSB0", 188, 5)}}},
			`device "/dev/ttyUSB0" is c 188:0 there and c 188:5 on the node now`},
		{"another number, at a path of the profile's", map[DeviceSelector]DeviceLookup{kvm: {Nodes: []HostDevice{node("/dev/kvm", 10, 99)}}},
			`device "/dev/vm" is c 10:232 there and c 10:99 on the node now`},
		{"a USB device at another port", map[DeviceSelector]DeviceLookup{usb: {Nodes: []HostDevice{node("/dev/ttyACM4", 166, 4)}}},
			`device "/dev/ttyACM3" is c 166:3 there and c 166:4 on the node now`},
		{"one more USB device", map[DeviceSelector]DeviceLookup{usb: {Nodes: []HostDevice{node("/dev/ttyACM3", 166, 3), node("/dev/ttyACM4", 166, 4)}}}, ""},
	} {
		got := ""
		for _, c := range s.ChangedDevices(given, tc.found) {
			got += c.String()
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
