// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"strings"
	"testing"
)

// expectations are the first lines of a case: what must come of it.
type expectations struct {
	want, with  string // with are flags
	says, never []string
}

func expectationsOf(text string) (e expectations) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "# want":
			e.want = value
		case "# with":
			e.with = value
		case "# says":
			e.says = append(e.says, value)
		case "# never":
			e.never = append(e.never, value)
		}
	}
	return e
}

// check compares what was said, whatever its lines and columns are.
func (e expectations) check(t *testing.T, out string) {
	t.Helper()
	got := strings.Join(strings.Fields(out), " ")
	for _, s := range e.says {
		if !strings.Contains(got, strings.Join(strings.Fields(s), " ")) {
			t.Errorf("does not say %q:\n%s", s, out)
		}
	}
	for _, s := range e.never {
		if strings.Contains(got, s) {
			t.Errorf("says %q:\n%s", s, out)
		}
	}
}
