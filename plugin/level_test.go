// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import "testing"

func TestRuntimeLevel(t *testing.T) {
	for _, tc := range []struct {
		name, version, reported string
		want                    level
	}{
		{"containerd", "1.7.35+unknown", "unknown", level{8, 0}},
		{"containerd", "1.7.24~ds1", "", level{6, 0}},
		{"containerd", "v1.7.2", "", level{3, 0}},
		{"containerd", "v1.7.7", "", level{4, 0}},
		{"containerd", "v1.6.38", "", lowestLevel},
		{"containerd", "v2.0.14", "v0.8.0", level{8, 0}},
		{"containerd", "v2.1.9", "", level{8, 0}},
		{"containerd", "2.2.0-0ubuntu1", "", level{10, 0}},
		{"containerd", "v2.2.0-rc.1", "", level{8, 0}},
		{"containerd", "v2.2.1-k3s1", "v0.10.0", level{11, 0}}, // NRI's own inference errs
		{"containerd", "2.2.9", "", level{11, 0}},
		{"containerd", "v2.3.7", "", level{12, 0}},
		{"containerd", "v2.4.2", "v0.12.3", level{12, 3}},
		{"containerd", "v2.4.2-12-gabcdef.m", "", level{12, 3}},
		{"containerd", "v2.5.0", "v0.13.1", level{13, 1}},
		{"containerd", "3.0.0", "", level{12, 3}},
		{"containerd", "", "", lowestLevel},
		{"containerd", "devel", "0.0.0-unknown", lowestLevel},
		{"containerd", "v1.7.35", "v0.12.4", level{12, 4}}, // its own word counts
		{"cri-o", "1.34.0", "", lowestLevel},
		{"cri-o", "1.36.0", "v0.12.3", lowestLevel}, // tells no seccomp profile
		{"k3s", "v2.2.1", "", lowestLevel},
		{"", "", "", lowestLevel},
		{"containerd", "99999.1.1", "", lowestLevel},
	} {
		if got := newRuntimeInfo(tc.name, tc.version, tc.reported).level; got != tc.want {
			t.Errorf("%s %q reporting %q: level %v, want %v", tc.name, tc.version, tc.reported, got, tc.want)
		}
	}
}

// Which containerd has the injection was read from the sources of its releases.
func TestRuntimeInjectsCDI(t *testing.T) {
	for version, want := range map[string]bool{
		"1.6.38": false, "1.7.26": false, "v1.7.29": false, "v1.7.30": true, "1.7.35+unknown": true,
		"v2.0.0": false, "v2.0.14": false, "v2.1.0-rc.0": false, "v2.1.0": true, "2.1.9": true, "v2.2.1-k3s1": true,
		"v2.4.2": true, "3.0.0": true, "": false,
	} {
		if got := newRuntimeInfo("containerd", version, "").cdi; got != want {
			t.Errorf("containerd %q injects CDI devices: %v, want %v", version, got, want)
		}
	}
	if newRuntimeInfo("cri-o", "1.36.0", "v0.12.3").cdi || !newRuntimeInfo("containerd", "devel", "v0.12.3").cdi {
		t.Error("a runtime that is not known injects them, or a containerd that tells its NRI does not")
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"1.7.35+unknown", "v2.2.1-k3s1", "2.2.0~rc1", "", "1..2", "v9999.9999.9999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := newRuntimeInfo("containerd", s, s).level
		if !l.atLeast(lowestLevel) {
			t.Errorf("%q: level %v is below the lowest", s, l)
		}
	})
}
