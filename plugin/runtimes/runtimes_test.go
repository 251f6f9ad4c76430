// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/change"
)

func TestRuntimeNRI(t *testing.T) {
	for _, tc := range []struct{ name, version, reported, want string }{
		{"containerd", "1.7.35+unknown", "unknown", "0.8.0"},
		{"containerd", "1.7.24~ds1", "", "0.6.0"},
		{"containerd", "v1.7.2", "", "0.3.0"},
		{"containerd", "v1.7.7", "", "0.4.0"},
		{"containerd", "v1.6.38", "", "0.2.0"},
		{"containerd", "v1.8.0", "", "0.2.0"}, // there is none
		{"containerd", "v2.0.0-rc.1", "", "0.2.0"},
		{"containerd", "v2.0.14", "v0.8.0", "0.8.0"},
		{"containerd", "v2.1.9", "", "0.8.0"},
		{"containerd", "2.2.0-0ubuntu1", "", "0.10.0"},
		{"containerd", "v2.2.0-rc.1", "", "0.8.0"},
		{"containerd", "v2.2.1-k3s1", "v0.10.0", "0.11.0"}, // NRI's own inference errs
		{"containerd", "2.2.9", "", "0.11.0"},
		{"containerd", "v2.3.7", "", "0.12.0"},
		{"containerd", "v2.3.2-k3s2", "", "0.12.0"},
		{"containerd", "v2.4.2", "v0.12.3", "0.12.3"},
		{"containerd", "v2.4.2-12-gabcdef.m", "", "0.12.3"},
		{"containerd", "v2.5.0", "v0.13.1", "0.13.1"},
		{"containerd", "3.0.0", "", "0.12.3"},
		{"containerd", "", "", "0.2.0"},
		{"containerd", "devel", "0.0.0-unknown", "0.2.0"},
		{"containerd", "v1.7.35", "v0.12.4", "0.12.4"}, // its own word counts
		{"containerd", "99999.1.1", "", "0.2.0"},
		{"cri-o", "1.31.4", "", "0.2.0"},
		{"cri-o", "1.33.1", "", "0.9.1"},
		{"cri-o", "1.34.0", "", "0.10.0"},
		{"cri-o", "1.36.3", "v0.12.4", "0.11.0"}, // does not report it
		{"cri-o", "1.37.0-dev", "", "0.12.0"},
		{"cri-o", "1.40.0", "", "0.12.0"},
		{"k3s", "v2.2.1", "", "0.2.0"},
		{"", "", "", "0.2.0"},
	} {
		if got := Of(tc.name, tc.version, tc.reported).NRI; got != tc.want {
			t.Errorf("%s %q reporting %q: NRI %s, want %s", tc.name, tc.version, tc.reported, got, tc.want)
		}
	}
}

// Which features a runtime has, in the order in which they came.
func TestRuntimeHas(t *testing.T) {
	for _, tc := range []struct {
		feature change.Features
		yes, no []string
	}{
		{change.DeliversBasics, []string{"containerd/1.7.0", "cri-o/1.30", "podman/5.0.0"}, nil},
		{change.DeliversRlimits, []string{"containerd/1.7.7", "containerd/2.0.0", "cri-o/1.32.0"}, []string{"containerd/1.7.6", "podman/5.0.0"}},
		{change.DeliversCDI, []string{"containerd/v1.7.30", "containerd/1.7.35+unknown", "containerd/v2.1.0", "containerd/3.0.0", "cri-o/1.34.0"},
			[]string{"containerd/1.6.38", "containerd/v1.7.29", "containerd/v2.0.14", "containerd/v2.1.0-rc.0", "cri-o/1.33.0"}},
		{change.DeliversAccess | change.DeliversDeviceRules | change.DeliversUserNamespaceDevices | change.DeliversNamespaces | change.Validates,
			[]string{"containerd/2.2.0", "cri-o/1.36.3", "cri-o/1.37.0"}, []string{"containerd/2.1.9", "cri-o/1.33.0"}},
		{change.DeliversSysctls, []string{"containerd/2.3.0", "cri-o/1.37.0"}, []string{"containerd/2.2.9", "cri-o/1.36.3"}},
		{change.TellsUser, []string{"containerd/2.3.0", "cri-o/1.36.3"}, []string{"containerd/2.2.9", "cri-o/1.35.0"}},
		{change.TellsSeccomp, []string{"containerd/2.3.0"}, []string{"containerd/2.2.9", "cri-o/1.37.0", "cri-o/1.40.0"}},
		{change.TellsPID | change.TellsHostNamespaces, []string{"containerd/1.7.0"}, []string{"cri-o/1.37.0"}},
		{change.TellsPIDNamespace, []string{"containerd/1.7.0", "containerd/2.4.2", "cri-o/1.32.0", "cri-o/1.37.0"}, []string{"podman/5.0.0"}},
		{change.FailsClosed, nil, []string{"containerd/2.4.2", "cri-o/1.37.0"}},
	} {
		for _, name := range slices.Concat(tc.yes, tc.no) {
			r, err := Parse(name)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := r.Has(tc.feature), slices.Contains(tc.yes, name); got != want {
				t.Errorf("%s has %b: %t, want %t", name, tc.feature, got, want)
			}
		}
	}
	if !Of(Containerd, "devel", "v0.12.3").Has(change.DeliversCDI|change.TellsSeccomp) || Of(Containerd, "devel", "v0.12.3").Has(change.FailsClosed) ||
		!Of(Containerd, "2.5.0", "v0.12.4").Has(change.FailsClosed) || Of(CRIO, "1.38.0", "v0.12.4").Has(change.FailsClosed) {
		t.Error("what a runtime reports of its NRI")
	}
}

// Rows are in order, each for one line of releases, so that a version finds its own.
func TestRows(t *testing.T) {
	for _, name := range []string{Containerd, CRIO} {
		rows := Rows(name)
		for i, row := range rows {
			if i > 0 && rows[i-1].Since.compare(row.Since) >= 0 {
				t.Errorf("%s: %v is not after %v", name, row.Since, rows[i-1].Since)
			}
			if !row.Features.Have(lowest.Features) || !row.Features.Have(row.Tried) {
				t.Errorf("%s %v: %+v", name, row.Since, row)
			}
			if r, err := Parse(name + "/" + row.Since.String()); err != nil || r.Features != row.Features {
				t.Errorf("%s %v: %v, %v", name, row.Since, r, err)
			}
		}
	}
}

func TestSince(t *testing.T) {
	for _, tc := range []struct {
		name string
		of   change.Features
		want string
	}{
		{Containerd, change.DeliversBasics, "1.7 or later"},
		{Containerd, change.DeliversCDI, "2.1 or later, or 1.7.30 or a later 1.7"},
		{Containerd, change.DeliversSeccomp | change.TellsSeccomp, "2.3 or later"},
		{Containerd, change.FailsClosed, ""},
		{CRIO, change.DeliversSysctls, "1.37 or later"},
		{CRIO, change.TellsSeccomp, ""},
	} {
		if got := Since(tc.name, tc.of); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if got := Of(CRIO, "1.33.0", "").Use(change.DeliversCDI); got != "use cri-o 1.34 or later" {
		t.Error(got)
	}
	if got := Of(CRIO, "1.37.0", "").Use(change.TellsSeccomp); got != "use containerd 2.3 or later" {
		t.Error(got)
	}
}

func TestParse(t *testing.T) {
	for _, bad := range []string{"", "containerd", "containerd/", "/2.4.2", "containerd/two", "2.4.2"} {
		if r, err := Parse(bad); err == nil || !strings.Contains(err.Error(), "containerd/2.") {
			t.Errorf("%q: %v, %v", bad, r, err)
		}
	}
	r, err := Parse("containerd/1.7.24~ds1")
	if err != nil || r.String() != "containerd 1.7.24~ds1 (NRI 0.6.0)" {
		t.Errorf("%v, %v", r, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1.7.35+unknown", "v2.2.1-k3s1", "2.2.0~rc1", "", "1..2", "v9999.9999.9999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range []string{Containerd, CRIO, s} {
			if r := Of(name, s, s); !r.Has(lowest.Features) {
				t.Errorf("%s %q has less than the lowest", name, s)
			}
		}
	})
}
