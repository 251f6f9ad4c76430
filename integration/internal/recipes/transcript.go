// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recipes

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Words are a command's as the shell takes it apart.
func Words(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\0' `+command).Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// Printed is what a terminal shows of a command's output and errors.
func Printed(out string, err error) string {
	if err != nil {
		text := err.Error()
		if _, after, ok := strings.Cut(text, ": exit status "); ok {
			_, text, _ = strings.Cut(after, ": ")
		}
		out = strings.TrimRight(out, "\r\n") + "\n" + text
	}
	out = regexp.MustCompile(`\x1b(c|\[[0-9;?]*[A-Za-z])|\r`).ReplaceAllString(out, "")
	return strings.Trim(out, "\n")
}

// Pattern is a regular expression of what a page shows: … is anything of a line, and on a line
// of its own any lines.
func Pattern(want string) *regexp.Regexp {
	var b strings.Builder
	for line := range strings.Lines(want + "\n") {
		if line == "…\n" {
			b.WriteString(`(.*\n)*?`)
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
	}
	return regexp.MustCompile(`\A` + b.String() + `\z`)
}
