// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"testing"

	"github.com/nodegate/nodegate/plugin/policy"
)

func BenchmarkLookupDevices(b *testing.B) {
	h := newHost(b, "/")
	for name, paths := range map[string][]string{
		"path":  {"/dev/null"},
		"glob":  {"/dev/nul[l]"},
		"three": {"/dev/null", "/dev/zero", "/dev/full"},
	} {
		var selectors []policy.DeviceSelector
		for _, p := range paths {
			selectors = append(selectors, policy.DeviceSelector{Path: p})
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, l := range h.LookupDevices(selectors) {
					if l.Err != nil || len(l.Nodes) != 1 {
						b.Fatal(l)
					}
				}
			}
		})
	}
}

func BenchmarkCreateRemove(b *testing.B) {
	dir := realDev(b)
	s := newShadows(b, "/", dir)
	nodes := []policy.ShadowNode{shadow(dir, "abc", 0), shadow(dir, "abc", 1)}
	b.ReportAllocs()
	for b.Loop() {
		must(b, s.Create("abc", 100000, nodes))
		must(b, s.Remove("abc"))
	}
}

func BenchmarkIDMaps(b *testing.B) {
	h := newHost(b, "/")
	b.ReportAllocs()
	for b.Loop() {
		if uid, gid := h.IDMaps(uint32(os.Getpid())); !uid.OK || !gid.OK {
			b.Fatal(uid, gid)
		}
	}
}

func BenchmarkCgroup(b *testing.B) {
	h := newHost(b, "/")
	b.ReportAllocs()
	for b.Loop() {
		h.Cgroup()
	}
}

// What a look at the node costs that is for a live directory of USB devices.
func BenchmarkGlance(b *testing.B) {
	h := newHost(b, "/")
	dir := policy.LiveDirectory{Devices: []policy.LiveDevices{ofMajor188(adapter)}}
	for b.Loop() {
		if _, err := (&glance{host: h}).wanted(&dir); err != nil {
			b.Fatal(err)
		}
	}
}
