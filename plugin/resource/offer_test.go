// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"strings"
	"testing"
)

// A unit whose device a container has as another one is unhealthy, and status says so.
func TestHeldUnits(t *testing.T) {
	for _, tc := range []struct {
		held, unsure string
		healthy      int
		why, says    string
	}{
		{"", "", 2, "", ""},
		{"a", "", 1, "", `a container has the device of unit "a" as another unit`},
		{"a", "one thing", 1, "", `one thing; and a container has the device of unit "a" as another unit`},
		{"a b", "", 0, `a container has the device of unit "a", "b" as another unit`, ""},
	} {
		o := sticks("a", "b")
		before := o.devices(nil)
		o.Unsure = tc.unsure
		for i := range o.Units {
			o.Units[i].Held = strings.Contains(tc.held, o.Units[i].ID)
		}
		devices := o.devices(before)
		if o.is(before) != (tc.held == "") || !o.is(devices) {
			t.Errorf("%q: a change of held units is not noticed", tc.held)
		}
		s := New("", t.TempDir())
		s.endpoints[o.Profile] = &endpoint{devices: devices}
		if r := s.statusOf(&o, ""); r.Units != 2 || r.Healthy != tc.healthy || r.Why != tc.why || r.Unsure != tc.says {
			t.Errorf("%q: %+v", tc.held, r)
		}
	}
}
