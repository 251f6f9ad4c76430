// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestPlaces(t *testing.T) {
	c, err := Parse("p.toml", []byte(`version = 1
mode = "audit"
[profiles.a]
description = "# note: no comment"
devices = [
  # note: of the next line
  { path = "/dev/x", access = "rw" }, # note: trailing

  # note: over a gap

  { path = "/dev/y", access = "rw" },
]
# note: of a heading
[[grants]] # note: b
# note: of two lines
profiles = ["ping",
  "a"]
namespaces = ["x"]
# note: of nothing`))
	must(t, err)
	for _, at := range []struct {
		got  Place
		want int
	}{
		{c.ProfilePlace("a", ""), 3},
		{c.ProfilePlace("a", "devices[1].path"), 11},
		{c.GrantPlace(0, ""), 14},
		{c.GrantPlace(0, "profiles[1]"), 17},
		{c.GrantPlace(0, "pods"), 14},
		{c.SettingPlace("mode"), 2},
	} {
		if at.got.Line != at.want {
			t.Errorf("%v, want line %d", at.got, at.want)
		}
	}
	var got []string
	for _, comment := range c.Comments("note:") {
		got = append(got, fmt.Sprintf("%d→%d-%d", comment.Line, comment.First, comment.Last))
	}
	if want := "6→7-7 7→7-7 9→11-11 13→14-14 14→14-14 15→16-17 19→19-19"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if c.ProfilePlace("ping", "").File != builtInName {
		t.Error("a built-in profile has another place")
	}
}
