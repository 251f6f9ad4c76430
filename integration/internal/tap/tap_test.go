// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tap_test

import (
	"slices"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/tap"
)

const bare = `1..4
ok 1 runc run in 120ms
ok 2 runc run [cgroups] # skip test requires cgroups_v1
not ok 3 runc exec --tty in 2sec
# (in test file exec.bats, line 12)
#   status=1
ok 4 runc delete
`

func TestParse(t *testing.T) {
	got, err := tap.Parse(bare)
	want := []tap.Test{
		{"runc run", tap.Passed, ""},
		{"runc run [cgroups]", tap.Skipped, "test requires cgroups_v1"},
		{"runc exec --tty", tap.Failed, "# (in test file exec.bats, line 12)\n#   status=1\n"},
		{"runc delete", tap.Passed, ""},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if tap.Count(got, tap.Passed) != 2 || tap.Count(got, tap.Skipped) != 1 || tap.Count(got, tap.Failed) != 1 {
		t.Errorf("counted otherwise: %q", got)
	}
	for name, text := range map[string]string{
		"ends early":         "1..2\nok 1 a\n",
		"announces nothing":  "ok 1 a\n",
		"nothing ran":        "bats: command not found\n",
		"more than expected": "1..1\nok 1 a\nok 2 b\n",
	} {
		if _, err := tap.Parse(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestWorse(t *testing.T) {
	first, err := tap.Parse(bare)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		second string
		worse  int
	}{
		"the same":                 {bare, 0},
		"one that failed passes":   {"1..4\nok 1 runc run\nok 2 runc run [cgroups] # skip x\nok 3 runc exec --tty\nok 4 runc delete\n", 0},
		"one that passed fails":    {"1..4\nnot ok 1 runc run\nok 2 runc run [cgroups] # skip x\nok 3 runc exec --tty\nok 4 runc delete\n", 1},
		"one that passed is left":  {"1..4\nok 1 runc run # skip x\nok 2 runc run [cgroups] # skip x\nok 3 runc exec --tty\nok 4 runc delete\n", 1},
		"one that was left fails":  {"1..4\nok 1 runc run\nnot ok 2 runc run [cgroups]\nok 3 runc exec --tty\nok 4 runc delete\n", 1},
		"two are missing":          {"1..2\nok 1 runc run\nok 2 runc run [cgroups] # skip x\n", 2},
		"one more, of another run": {bare + "ok 5 runc other\n", 0},
	} {
		second, _ := tap.Parse(c.second) // the last announces too few
		if got := tap.Worse(first, second); len(got) != c.worse {
			t.Errorf("%s: %q", name, got)
		}
	}
}
