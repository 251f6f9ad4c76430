// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import "testing"

func TestSelectorLabel(t *testing.T) {
	for text, want := range map[string]string{
		"app = web":                    "app=web",
		"app == web":                   "app=web",
		"app in (web)":                 "app=web",
		"app in (web, db)":             "",
		"app != web":                   "",
		"app":                          "",
		"!app":                         "",
		"app notin (web)":              "",
		"n > 5":                        "",
		"tier in (a, b), app = web":    "app=web",
		"a.example.com/b = c, app = x": "a.example.com/b=c",
	} {
		s, err := parseSelector(text)
		must(t, err)
		got := ""
		if key, value, ok := s.Label(); ok {
			got = key + "=" + value
			if !s.Matches(map[string]string{key: value, "tier": "a", "app": value}) && text != "a.example.com/b = c, app = x" {
				t.Errorf("%s does not match its own label", text)
			}
			if s.Matches(map[string]string{"tier": "a"}) {
				t.Errorf("%s matches a pod without its label", text)
			}
		}
		if got != want {
			t.Errorf("%s: label %q, want %q", text, got, want)
		}
	}
	if s, err := parseSelector(" "); s != nil || err != nil {
		t.Errorf("the empty selector: %v, %v", s, err)
	}
}

func TestLines(t *testing.T) {
	l := newLines([]byte(`version = 1
[profiles.modem]
"a.b" = 1
[[profiles.modem.devices]]
path = "x"
[[profiles.modem.devices]]
path = [
  "y", # one
  # two
  { z = 3,
    w = 4 },
]
[profiles.modem.devices.sub]
k.l = 1
[[grants]]
[[grants]]
a = [["x",
"y"]]
`))
	for path, want := range map[string]int{
		"": 1, "version": 1, "profiles": 2, "profiles.modem": 2, `profiles.modem."a.b"`: 3,
		"profiles.modem.devices": 4, "profiles.modem.devices[0]": 4, "profiles.modem.devices[0].path": 5,
		"profiles.modem.devices[1]": 6, "profiles.modem.devices[1].path[0]": 8,
		"profiles.modem.devices[1].path[1]": 10, "profiles.modem.devices[1].path[1].w": 11,
		"profiles.modem.devices[1].sub.k.l": 14, "grants[0]": 15, "grants[1].a[0][1]": 18,
		// What is not there is where it should be.
		"profiles.modem.tmpfs": 2, "profiles.modem.devices[1].mode": 6, "nri.socket": 1, `profiles.modem."c.d"`: 2,
	} {
		if got := l.line(path); got != want {
			t.Errorf("%s: line %d, want %d", path, got, want)
		}
	}
}
