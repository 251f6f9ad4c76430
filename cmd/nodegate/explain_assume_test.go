// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path"
	"strings"
	"testing"
)

// FuzzParseAssumed takes only a path of /dev in its shortest form, and numbers that a
// device can have.
func FuzzParseAssumed(f *testing.F) {
	f.Add("/dev/kvm")
	f.Add("/dev/kvm=c 10:232")
	f.Add("/dev/../etc=b -1:x")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseAssumed(text, 3)
		if err != nil {
			return
		}
		given := strings.Contains(text, "=")
		if !strings.HasPrefix(d.Path, "/dev/") || path.Clean(d.Path) != d.Path || given != (d.Major >= 0) || given != (d.Minor >= 0) || d.Type != "c" && d.Type != "b" {
			t.Errorf("%q: %+v", text, d)
		}
	})
}
