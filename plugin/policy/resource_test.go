// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var slots = Resource{Slots: 3}

func units(ids ...string) Known[[]string] { return Is(ids) }

func asResource(p Profile, r Resource) Profile {
	p.Resource = r
	return p
}

// allotted is a container with units of profiles that the kubelet has confirmed.
func allotted(a Allotted) func(*Facts) {
	return func(f *Facts) {
		usualNode(f)
		f.Request.Allotted = a
	}
}

var serialRule = DeviceRule{Path: "/dev/ttyUSB*", ContainerPath: "/dev/serial", Access: "rw"}

// adapters are two serial adapters, of which the second has two names that match.
func adapters(f *Facts) {
	adapter := func(minor int64, unit string) HostDevice {
		path := "/dev/ttyUSB" + string(rune('0'+minor))
		return HostDevice{Path: path, Resolved: path, Type: "c", Major: 188, Minor: minor, Mode: 0o660, Unit: unit}
	}
	onNode(f, "/dev/ttyUSB*", adapter(0, "serial/by-id/a"), adapter(1, "serial/by-id/b"))
}

// heldAs is the second adapter as a container has it.
func heldAs(profile string) []HeldDevice {
	return []HeldDevice{{GivenDevice{Path: "/dev/x", Type: "c", Major: 188, Minor: 1}, Allotted{profile: units("serial/by-id/b")}}}
}

func TestResource(t *testing.T) {
	kvm := asResource(withDevices("kvm", DeviceRule{Path: "/dev/kvm", Access: "rw"}), slots)
	serial := asResource(withDevices("serial", serialRule), Resource{Exclusive: true})
	grant := []Grant{{Source: "p.toml:1", Profiles: []string{"kvm", "serial"}, Namespaces: []string{"ci"}}}
	p := compile(t, Source{Profiles: []Profile{kvm, serial}, Grants: grant})
	for _, tc := range []struct {
		name, ask string
		allotted  Allotted
		held      []HeldDevice // by other containers
		profiles  []string
		devices   []string // PATH MINOR
		code      Code
		refusal   string
	}{
		{name: "nothing"},
		{name: "slots", allotted: Allotted{"kvm": units("slot-1")}, profiles: []string{"kvm"}, devices: []string{"/dev/kvm 232"}},
		{name: "by annotation and resource", ask: "kvm", allotted: Allotted{"kvm": units("slot-1")}, profiles: []string{"kvm"}, devices: []string{"/dev/kvm 232"}},
		{name: "they add up", ask: "kvm", allotted: Allotted{"serial": units("serial/by-id/a")}, profiles: []string{"kvm", "serial"}, devices: []string{"/dev/kvm 232", "/dev/serial 0"}},
		{name: "the other unit", allotted: Allotted{"serial": units("serial/by-id/b")}, profiles: []string{"serial"}, devices: []string{"/dev/serial 1"}},
		{name: "two units for one place", allotted: Allotted{"serial": units("serial/by-id/a", "serial/by-id/b")}, code: Conflict,
			refusal: `would get profile "serial", but "/dev/ttyUSB*" matches 2 devices of this node, which cannot all be "/dev/serial"`},
		{name: "a unit that is gone", allotted: Allotted{"serial": units("serial/by-id/c")}, code: NoDevice,
			refusal: `would get unit "serial/by-id/c" of profile "serial", which this node does not have: plug it in again, or delete the pod`},
		{name: "a device that another container has as another unit", allotted: Allotted{"serial": units("serial/by-id/b")}, held: heldAs("other"), code: NoDevice,
			refusal: `would get unit "serial/by-id/b" of profile "serial", but that is device "/dev/ttyUSB1", which another container has as another unit: wait until that container ends, or delete the pod`},
		{name: "a device that another container had as this unit", allotted: Allotted{"serial": units("serial/by-id/b")}, held: heldAs("serial"), profiles: []string{"serial"}, devices: []string{"/dev/serial 1"}},
		{name: "another device than a container has", allotted: Allotted{"serial": units("serial/by-id/a")}, held: heldAs("other"), profiles: []string{"serial"}, devices: []string{"/dev/serial 0"}},
		{name: "no unit of a device that a container has", ask: "kvm", held: heldAs("other"), profiles: []string{"kvm"}, devices: []string{"/dev/kvm 232"}},
		{name: "a unit by annotation", ask: "serial", code: NotAllotted,
			refusal: `asks for profile "serial" by annotation, and each of its devices is for one container: write nodegate.dev/serial: 1 into the container's resources.limits`},
		{name: "by both", ask: "serial", allotted: Allotted{"serial": units("serial/by-id/a")}, profiles: []string{"serial"}, devices: []string{"/dev/serial 0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := facts()
			allotted(tc.allotted)(f)
			adapters(f)
			f.Container.Held = tc.held
			if tc.ask != "" {
				f.Request.Annotations = map[string]string{AnnotationBare: tc.ask}
			}
			d, refusal := decide(t, p, f)
			checkRefusal(t, refusal, tc.code, tc.refusal)
			var got []string
			for _, dev := range d.Adjustment.Devices {
				got = append(got, dev.Path+" "+strconv.FormatInt(dev.Minor, 10))
			}
			if !slices.Equal(d.Profiles, tc.profiles) || !slices.Equal(got, tc.devices) {
				t.Errorf("got %q, %q", d.Profiles, got)
			}
		})
	}
}

// A resource that is not granted is refused as an annotation is.
func TestResourceNotGranted(t *testing.T) {
	p := compile(t, Source{Profiles: []Profile{asResource(withDevices("kvm", DeviceRule{Path: "/dev/kvm", Access: "rw"}), slots)},
		Grants: []Grant{{Profiles: []string{"kvm"}, Namespaces: []string{"elsewhere"}}}})
	f := facts()
	allotted(Allotted{"kvm": units("slot-1")})(f)
	_, refusal := decide(t, p, f)
	checkRefusal(t, refusal, NotGranted, `asks for profile "kvm", which is not granted in namespace "ci" (granted there: nothing)`)
}

// A pod writes the annotation of a resource that only the kubelet writes. The agent does
// not believe it.
func TestAttackForgedAllotment(t *testing.T) {
	kvm := asResource(withDevices("kvm", DeviceRule{Path: "/dev/kvm", Access: "rw"}), slots)
	serial := asResource(withDevices("serial", serialRule), Resource{Exclusive: true})
	p := compile(t, Source{Profiles: []Profile{kvm, serial}, Grants: []Grant{{Profiles: []string{"kvm", "serial"}, Namespaces: []string{"ci"}}}})
	ofPod := func(key, value string) func(*Facts) {
		return func(f *Facts) { f.Request.Annotations = map[string]string{key: value} }
	}
	ofContainer := func(key, value string) func(*Facts) {
		return func(f *Facts) { f.Request.Allotted = Claims(map[string]string{key: value}) }
	}
	for name, try := range map[string]func(*Facts){
		"on the pod":                 ofPod("resource.nodegate.dev/kvm", "slot-1"),
		"on the pod, a unit":         ofPod("resource.nodegate.dev/serial", "serial/by-id/a"),
		"on the pod, of no profile":  ofPod("resource.nodegate.dev/", ""),
		"passed on to the container": ofContainer("resource.nodegate.dev/kvm", "slot-1"),
		"passed on, a unit":          ofContainer("resource.nodegate.dev/serial", "serial/by-id/a"),
		"passed on, nothing":         ofContainer("resource.nodegate.dev/serial", ""),
		"passed on, of no profile":   ofContainer("resource.nodegate.dev/"+strings.Repeat("x", 5000), "1"),
		"one that is real and one that not": func(f *Facts) {
			f.Request.Allotted = Allotted{"kvm": units("slot-1"), "serial": {Value: []string{"serial/by-id/a"}}}
		},
		"in a namespace without grants": func(f *Facts) {
			ofContainer("resource.nodegate.dev/kvm", "slot-1")(f)
			f.Request.Namespace = "other"
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			usualNode(f)
			adapters(f)
			try(f)
			if d, refusal := decide(t, p, f); refusal == nil || refusal.Code != NotAllotted {
				t.Errorf("got %v, %s", refusal, dump(d.Adjustment))
			}
			// What is kept of the request is refused as well.
			kept := p.Compact(&f.Request)
			if _, err := p.Select(&kept); err == nil {
				t.Error("what is kept of the request is not refused")
			}
		})
	}
}

// Two profiles or patterns match the same devices. A container gets its own units only.
func TestAttackUnitsOfOthers(t *testing.T) {
	two := asResource(withDevices("two", DeviceRule{Path: "/dev/ttyUSB*", Access: "rw"}), Resource{Exclusive: true})
	serial := asResource(withDevices("serial", DeviceRule{Path: "/dev/ttyUSB*", Access: "r"}), Resource{Exclusive: true})
	p := compile(t, Source{ShadowDir: "/s", Profiles: []Profile{serial, two}, Grants: []Grant{{Profiles: []string{"serial"}, Namespaces: []string{"ci"}}, {Profiles: []string{"two"}, Namespaces: []string{"ci"}}}})
	for _, change := range []func(*Facts){func(*Facts) {}, inUserNamespace} {
		f := facts()
		adapters(f)
		change(f)
		f.Request.Allotted = Allotted{"serial": units("serial/by-id/b"), "two": units("serial/by-id/a")}
		d, refusal := decide(t, p, f)
		if refusal != nil {
			t.Fatal(refusal)
		}
		access := map[string]string{}
		for _, dev := range d.Adjustment.Devices {
			access[dev.Path] = dev.Access
		}
		for i, node := range d.Adjustment.ShadowNodes {
			access[node.ContainerPath] = d.Adjustment.DeviceRules[i].Access
		}
		if want := map[string]string{"/dev/ttyUSB0": "rw", "/dev/ttyUSB1": "r"}; !reflect.DeepEqual(access, want) {
			t.Errorf("got %v, want %v", access, want)
		}
	}
}

func TestUnitID(t *testing.T) {
	for path, want := range map[string]string{
		"/dev/serial/by-id/usb-FTDI_FT232R_A1-if00-port0": "serial/by-id/usb-FTDI_FT232R_A1-if00-port0",
		"/dev/a,b c": "a%2Cb%20c", "/dev/100%": "100%25", "/dev/\xff\n\"": "%FF%0A%22", "/dev/naïve": "na%C3%AFve",
	} {
		if got := UnitID(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
	claims := Claims(map[string]string{AnnotationResource + "a": UnitsText([]string{"b", UnitID("/dev/a,b")}), "other": "x"})
	if want := (Allotted{"a": {Value: []string{"a%2Cb", "b"}}}); !reflect.DeepEqual(claims, want) {
		t.Errorf("got %v", claims)
	}
}

// How many may have a profile is no matter of what one gets: no container is outdated for that.
func TestSlotsAreNoDefinition(t *testing.T) {
	definition := func(r Resource) string {
		p := compile(t, Source{Profiles: []Profile{asResource(withDevices("kvm", DeviceRule{Path: "/dev/kvm", Access: "rw"}), r)}})
		return p.profiles["kvm"].definition
	}
	if definition(Resource{}) != definition(slots) || definition(slots) == definition(Resource{Exclusive: true}) {
		t.Error("definitions differ, or are the same")
	}
}
