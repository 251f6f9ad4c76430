// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A node needs what grants give, by includes as well, and nothing else.
func TestNeeds(t *testing.T) {
	serial := specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: ptr(int64(188)), Access: "rw"}
	p, err := New(Source{
		Profiles: []Profile{
			{Name: "fuse", Devices: []DeviceRule{{Path: "/dev/fuse", Access: "r", Optional: true}}},
			{Name: "nested", Include: []string{"fuse"}, CgroupWritable: true},
			{Name: "more", Devices: []DeviceRule{{Path: "/dev/fuse", Access: "w", ContainerPath: "/dev/f"}, {Path: "/dev/kvm", Access: "rw"}},
				DeviceCgroupRules: []specs.LinuxDeviceCgroup{serial}},
			{Name: "disk", Devices: []DeviceRule{{Path: "/dev/sda", Access: "rw"}}},
		},
		Grants: []Grant{
			{Profiles: []string{"nested"}, Namespaces: []string{"ci"}},
			{Profiles: []string{"more"}, Namespaces: []string{"iot"}},
			{Profiles: []string{"more", "fuse"}, Namespaces: []string{"ci"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	n := p.Needs()
	var devices []string
	for _, d := range n.Devices {
		devices = append(devices, fmt.Sprint(d.Path, " ", d.Access, " ", d.Optional))
	}
	if got, want := fmt.Sprint(devices), "[/dev/fuse rw false /dev/kvm rw false]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(n.DeviceRules) != 1 || !sameRule(n.DeviceRules[0], serial) || !n.CgroupWritable {
		t.Errorf("got %v", n)
	}
}
