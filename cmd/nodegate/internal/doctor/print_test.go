// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"strings"
	"testing"
)

var printed = Report{Version: 1, Status: Problem, Findings: []Finding{
	{Check: "nri", Status: OK, Found: "on"},
	{Check: "device", Subject: "/dev/kvm", Status: Problem, Found: "absent\nfor all", Remedy: "load it"},
	{Check: "lsm", Status: Unknown, Found: "unknown: <why>"},
}}

func TestTable(t *testing.T) {
	var plain, colour strings.Builder
	if err := printed.Table(&plain, false); err != nil {
		t.Fatal(err)
	}
	want := `CHECK            STATUS   FOUND
nri              ok       on
device /dev/kvm  problem  absent
                          for all
                          To do: load it
lsm              unknown  unknown: <why>
`
	if plain.String() != want {
		t.Errorf("got\n%s", &plain)
	}
	if err := printed.Table(&colour, true); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"\x1b[32mok     \x1b[0m  on", "\x1b[31mproblem\x1b[0m", "\x1b[33munknown\x1b[0m"} {
		if !strings.Contains(colour.String(), part) {
			t.Errorf("no %q in %q", part, &colour)
		}
	}
}

// Programs rely on these names.
func TestJSON(t *testing.T) {
	var b strings.Builder
	if err := printed.JSON(&b); err != nil {
		t.Fatal(err)
	}
	want := `{
  "version": 1,
  "status": "problem",
  "findings": [
    {
      "check": "nri",
      "status": "ok",
      "found": "on"
    },
    {
      "check": "device",
      "subject": "/dev/kvm",
      "status": "problem",
      "found": "absent\nfor all",
      "remedy": "load it"
    },
    {
      "check": "lsm",
      "status": "unknown",
      "found": "unknown: <why>"
    }
  ]
}
`
	if b.String() != want {
		t.Errorf("got %s", &b)
	}
}
