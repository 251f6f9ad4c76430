// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"path"
	"slices"
	"strings"
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
