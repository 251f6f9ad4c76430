// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recipes

import (
	"errors"
	"fmt"
	"testing"
)

// What the page shows is compared whole.
func TestPattern(t *testing.T) {
	for _, tc := range []struct {
		want, got string
		match     bool
	}{
		{"hello", "hello", true},
		{"hello", "hello\nworld", false},
		{"hello", "world\nhello", false},
		{"hello", "", false},
		{"1.0", "1x0", false},
		{"a … c", "a b c", true},
		{"a … c", "a b\nc", false},
		{"…\nlast", "one\ntwo\nlast", true},
		{"…\nlast", "last", true},
		{"first\n…", "first\nlast", true},
		{"first\n…", "last", false},
		{"first\n…\nlast", "first\nlast", true},
	} {
		if got := Pattern(tc.want).MatchString(tc.got + "\n"); got != tc.match {
			t.Errorf("%q shown for %q: %v", tc.want, tc.got, got)
		}
	}
	err := fmt.Errorf("kubernetes kubectl exec: %w: %s", errors.New("exit status 1"), "sh: no\ncommand terminated with exit code 1")
	if got := Printed("\x1bc\x1b[?7l\x1b[2Jout\r\n", err); got != "out\nsh: no\ncommand terminated with exit code 1" {
		t.Errorf("%q", got)
	}
}
