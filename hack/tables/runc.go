// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tables

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// runcRan has the results of a file of runc's own tests on each line: package suites writes
// it with -update.
//
//go:embed runc.txt
var runcRan string

// Suite is what became of the tests of a file, bare and through nodegate-runc.
type Suite struct {
	File          string
	Bare, Wrapped Results
}

// Results count tests.
type Results struct{ Passed, Skipped, Failed int }

func (r Results) String() string {
	return fmt.Sprintf("%d passed, %d skipped, %d failed", r.Passed, r.Skipped, r.Failed)
}

// Short is for the cell of a table.
func (r Results) Short() string { return fmt.Sprintf("%d/%d/%d", r.Passed, r.Skipped, r.Failed) }

const suiteLine = "%s %d %d %d %d %d %d\n"

// Suites are the files that ran.
func Suites() (all []Suite) {
	for line := range strings.Lines(runcRan) {
		var s Suite
		if _, err := fmt.Sscanf(line, suiteLine, &s.File, &s.Bare.Passed, &s.Bare.Skipped, &s.Bare.Failed, &s.Wrapped.Passed, &s.Wrapped.Skipped, &s.Wrapped.Failed); err == nil {
			all = append(all, s)
		}
	}
	return all
}

// SuitesText is the text of runc.txt with other results in the place of those of their files.
func SuitesText(others []Suite) string {
	all := slices.DeleteFunc(Suites(), func(old Suite) bool {
		return slices.ContainsFunc(others, func(s Suite) bool { return s.File == old.File })
	})
	all = append(all, others...)
	slices.SortFunc(all, func(a, b Suite) int { return strings.Compare(a.File, b.File) })
	var out strings.Builder
	for _, s := range all {
		fmt.Fprintf(&out, suiteLine, s.File, s.Bare.Passed, s.Bare.Skipped, s.Bare.Failed, s.Wrapped.Passed, s.Wrapped.Skipped, s.Wrapped.Failed)
	}
	return out.String()
}

// runcSentence sums the files up, if some ran.
func runcSentence() string {
	all := Suites()
	if len(all) == 0 {
		return ""
	}
	var bare, wrapped Results
	for _, s := range all {
		bare.add(s.Bare)
		wrapped.add(s.Wrapped)
	}
	return fmt.Sprintf("\nrunc's own integration tests there, %d of its files: bare %s; through nodegate-runc %s.\n", len(all), bare, wrapped)
}

func (r *Results) add(other Results) {
	r.Passed += other.Passed
	r.Skipped += other.Skipped
	r.Failed += other.Failed
}
