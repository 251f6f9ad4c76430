// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"path"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
)

// Glob matching is path.Match's: *, ? and [a-z]. Names of namespaces and
// containers hold no slash, so * matches all of one.

// CheckGlob returns path.ErrBadPattern for a pattern that does not parse.
func CheckGlob(pattern string) error {
	_, err := path.Match(pattern, "")
	return err
}

// matchGlob ignores the error: patterns are checked when the policy is made.
func matchGlob(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matchGlob(p, name) })
}

// literalEnds returns the text before a pattern's first special character and
// after its last; whole is true if there is none.
func literalEnds(pattern string) (prefix, suffix string, whole bool) {
	first := strings.IndexAny(pattern, `*?[\`)
	if first < 0 {
		return pattern, pattern, true
	}
	// A class may hold any character, so what follows its end is not cheap
	// to find; such patterns are indexed by their prefix alone.
	if strings.ContainsAny(pattern, `[\`) {
		return pattern[:first], "", false
	}
	return pattern[:first], pattern[strings.LastIndexAny(pattern, "*?")+1:], false
}

// UdevGlob returns a pattern in which udev's escapes stand for themselves, so
// that a path finds its device as ls prints it: udev writes a byte that it keeps
// out of names, such as a blank, as \x20, in four characters.
func UdevGlob(pattern string) string {
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		out.WriteByte(pattern[i])
		if pattern[i] != '\\' || i+1 == len(pattern) {
			continue
		}
		if isUdevEscape(pattern[i+1:]) {
			out.WriteByte('\\')
			continue
		}
		i++ // what a glob's own backslash makes literal
		out.WriteByte(pattern[i])
	}
	return out.String()
}

// isUdevEscape looks at what follows a backslash.
func isUdevEscape(rest string) bool {
	const hex = "0123456789abcdefABCDEF"
	return len(rest) >= 3 && rest[0] == 'x' && strings.IndexByte(hex, rest[1]) >= 0 && strings.IndexByte(hex, rest[2]) >= 0
}

// QuotePath quotes a path for a message.
func QuotePath(p string) string { return change.QuotePath(p) }
