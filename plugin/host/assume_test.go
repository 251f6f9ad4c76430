// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"testing"

	"github.com/nodegate/nodegate/plugin/policy"
)

// An assumed device is found by its path, by a glob and by a directory above it, and by
// nothing else; it takes the place of the node's.
func TestAssume(t *testing.T) {
	h, err := New("/", "/dev/.udev/nodegate")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.Assume([]policy.HostDevice{{Path: "/dev/nodegate/a1", Type: "c", Major: 240, Minor: 7}, {Path: "/dev/null", Type: "c", Major: 240, Minor: 8}})
	for pattern, want := range map[string]int64{"/dev/nodegate/a1": 7, "/dev/nodegate/a*": 7, "/dev/nodegate": 7, "/dev/null": 8} {
		look := h.LookupDevice(policy.DeviceSelector{Path: pattern})
		if look.Err != nil || len(look.Nodes) != 1 || look.Nodes[0].Minor != want {
			t.Errorf("%s: %+v, want one node with minor %d", pattern, look, want)
		}
	}
	for _, pattern := range []string{"/dev/nodegate/b", "/dev/node"} {
		if look := h.LookupDevice(policy.DeviceSelector{Path: pattern}); len(look.Nodes) > 0 {
			t.Errorf("%s: found %+v", pattern, look.Nodes)
		}
	}
	is := h.LookupSources([]string{"/dev/nodegate/a1", "/dev/nodegate", "/dev/node", "/srv"})
	if is["/dev/nodegate/a1"].Device.Value.Minor != 7 || is["/dev/nodegate"].Directory != "/dev/nodegate" || is["/dev/node"].Directory != "" || len(is) != 3 {
		t.Errorf("as volumes: %+v", is)
	}
}
