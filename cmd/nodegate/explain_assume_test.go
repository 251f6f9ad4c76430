// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/policy"
)

// What the command line does not say is as it mostly is.
func TestParseAssumed(t *testing.T) {
	for text, want := range map[string]policy.HostDevice{
		"/dev/kvm":                       {Type: "c", Major: 10, Minor: 232, Mode: 0o666},
		"/dev/ttyUSB3":                   {Type: "c", Major: 188, Minor: 3, Mode: 0o660, GID: 20},
		"/dev/serial/by-id/usb-stick1":   {Type: "c", Major: 188, Mode: 0o660, GID: 20},
		"/dev/dri/renderD129":            {Type: "c", Major: 226, Minor: 129, Mode: 0o666},
		"/dev/sdb":                       {Type: "b", Major: 8, Mode: 0o660, GID: 6},
		"/dev/odd":                       {Type: "c", Major: 240, Minor: 3, Mode: 0o660},
		"/dev/ttyUSB0=c:188:7":           {Type: "c", Major: 188, Minor: 7, Mode: 0o660, GID: 20},
		"/dev/odd=b 7:1":                 {Type: "b", Major: 7, Minor: 1, Mode: 0o660},
		"/dev/odd=c:1:2:0604":            {Type: "c", Major: 1, Minor: 2, Mode: 0o604},
		"/dev/by-path/a:b=c:1:2:0:7:993": {Type: "c", Major: 1, Minor: 2, UID: 7, GID: 993},
	} {
		got, err := parseAssumed(text, 3)
		want.Path, _, _ = strings.Cut(text, "=")
		want.Resolved = want.Path
		if err != nil || got.device != want {
			t.Errorf("%s: %+v, %v", text, got.device, err)
		}
	}
	for _, text := range []string{"kvm", "/dev/../etc", "/dev/kvm=", "/dev/kvm=c", "/dev/kvm=c:1", "/dev/kvm=p:1:2", "/dev/kvm=c:-1:2", "/dev/kvm=c:1:2:999",
		"/dev/kvm=c:1:2:0660:0", "/dev/kvm=c:1:2:0660:0:20:1", "/dev/kvm=c:1:2:0660:root:20", "/dev/kvm=c:4096:0"} {
		if got, err := parseAssumed(text, 0); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// FuzzParseAssumed takes only a path of /dev in its shortest form, and numbers that a
// device can have.
func FuzzParseAssumed(f *testing.F) {
	f.Add("/dev/kvm")
	f.Add("/dev/kvm=c 10:232")
	f.Add("/dev/../etc=b -1:x")
	f.Add("/dev/x=b:1:2:0660:3:4")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAssumed(text, 3)
		if err != nil {
			return
		}
		d := &a.device
		if !strings.HasPrefix(d.Path, "/dev/") || path.Clean(d.Path) != d.Path || d.Major < 0 || d.Minor < 0 || d.Mode&^0o777 != 0 || d.Type != "c" && d.Type != "b" {
			t.Errorf("%q: %+v", text, d)
		}
		if strings.Contains(text, "=") != (a.from == "") {
			t.Errorf("%q: from %q", text, a.from)
		}
	})
}
