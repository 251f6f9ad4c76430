// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package tap reads results of tests in the Test Anything Protocol, which bats prints, and
// compares two runs of the same tests.
package tap

import (
	"fmt"
	"regexp"
	"strings"
)

// What became of a test.
const (
	Passed  = "passed"
	Skipped = "skipped"
	Failed  = "failed"
)

// Test is one test of a run.
type Test struct {
	Name   string
	Result string
	Detail string // why it was skipped, or what it printed when it failed
}

var (
	line   = regexp.MustCompile(`^(not )?ok [0-9]+ (.*)$`)
	timing = regexp.MustCompile(` in [0-9]+(ms|sec)$`)
	plan   = regexp.MustCompile(`(?m)^1\.\.([0-9]+)`)
)

// Parse reads a run. A run that ends before the number of tests that it announced is an
// error: what did not run has not passed.
func Parse(text string) ([]Test, error) {
	var tests []Test
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\n")
		m := line.FindStringSubmatch(l)
		switch {
		case m != nil:
			tests = append(tests, parseTest(m[1] != "", m[2]))
		case strings.HasPrefix(l, "#") && len(tests) > 0 && tests[len(tests)-1].Result == Failed:
			tests[len(tests)-1].Detail += l + "\n"
		}
	}
	announced := plan.FindStringSubmatch(text)
	if announced == nil {
		return tests, fmt.Errorf("reading a run of tests: it announces no number of tests:\n%s", text)
	}
	if announced[1] != fmt.Sprint(len(tests)) {
		return tests, fmt.Errorf("reading a run of tests: %d of %s ran:\n%s", len(tests), announced[1], text)
	}
	return tests, nil
}

func parseTest(failed bool, rest string) Test {
	name, why, skipped := strings.Cut(rest, " # skip")
	t := Test{Name: timing.ReplaceAllString(name, ""), Result: Passed}
	switch {
	case failed:
		t.Result = Failed
	case skipped:
		t.Result, t.Detail = Skipped, strings.TrimSpace(why)
	}
	return t
}

// Count is how many tests of a run have a result.
func Count(tests []Test, result string) (n int) {
	for _, t := range tests {
		if t.Result == result {
			n++
		}
	}
	return n
}

// Worse names the tests of the second run whose result is worse than in the first: all
// that passed there and do not here, and all that are missing.
func Worse(first, second []Test) (worse []string) {
	results := map[string]Test{}
	for _, t := range second {
		results[t.Name] = t
	}
	for _, t := range first {
		got, ran := results[t.Name]
		switch {
		case !ran:
			worse = append(worse, fmt.Sprintf("%s: %s, then not run", t.Name, t.Result))
		case t.Result != Failed && got.Result != t.Result:
			worse = append(worse, fmt.Sprintf("%s: %s, then %s\n%s", t.Name, t.Result, got.Result, got.Detail))
		}
	}
	return worse
}
