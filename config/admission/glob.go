// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"regexp"
	"strings"
)

// globToken is a part of a glob of a policy: a class, an escaped character, or one that
// stands for itself, for any one or for any number.
var (
	globToken  = regexp.MustCompile(`\[(?:\\.|[^\]\\])+\]|\\.|[^\[\\]`)
	escaped    = regexp.MustCompile(`\\([a-z0-9])`)
	classRange = regexp.MustCompile(`(?:\\.|[^\\])-\\?.`)
)

// globRegexp returns RE2's syntax for a glob on a Kubernetes name. exact is false where it
// matches more than the glob: a class that is no range in RE2, such as [z-a], which matches
// nothing, stands for any character.
func globRegexp(glob string) (re string, exact bool) {
	var out strings.Builder
	out.WriteString("^")
	exact = true
	for _, token := range globToken.FindAllString(glob, -1) {
		// An escaped letter is itself here, and something else in a regular expression.
		text := escaped.ReplaceAllString(token, "$1")
		switch {
		case token == "*":
			out.WriteString(".*")
		case token == "?":
			out.WriteString(".")
		case token[0] != '[':
			out.WriteString(regexp.QuoteMeta(strings.TrimPrefix(text, `\`)))
		case backwards(text):
			out.WriteString(".")
			exact = false
		default:
			out.WriteString(text)
		}
	}
	return out.String() + "$", exact
}

// backwards reports whether a class has a range whose end comes before its start.
func backwards(class string) bool {
	inner := strings.TrimPrefix(class[1:len(class)-1], "^")
	for _, r := range classRange.FindAllString(inner, -1) {
		from, to, _ := strings.Cut(strings.ReplaceAll(r, `\`, ""), "-")
		if from == "" || to == "" || to < from { // also of a backslash or a dash itself
			return true
		}
	}
	return false
}
