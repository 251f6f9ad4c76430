// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/hack/tables"
	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/internal/tap"
	"github.com/nodegate/nodegate/integration/machines/machinetest"
)

// focusEnv chooses tests by a regular expression.
const focusEnv = "NODEGATE_SUITES_FOCUS"

// suite is a run of tests that are written with Ginkgo, on a node of one kind.
type suite struct {
	*testing.T
	name  string
	run   func(t *testing.T, focus string) []tap.Test // those that a regular expression chooses
	tests []tap.Test                                  // what became of them
}

// compare runs suites at once, since they wait most of the time: what passes in the first,
// which is bare, passes in all. The figures complete a row of a table, which is written with
// -update.
func compare(t *testing.T, row, table, focus string, all []*suite) {
	t.Helper()
	chosen := os.Getenv(focusEnv)
	focus = cmp.Or(chosen, focus)
	t.Run("runs", func(t *testing.T) {
		for _, s := range all {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.T, s.tests = t, nil
				s.tests = s.run(t, focus)
				s.report()
			})
		}
	})
	for _, s := range all {
		s.T = t
		s.mend(all[0].tests)
		row += " | " + count(s.tests).Short()
	}
	t.Log(row)
	if tap.Count(all[0].tests, tap.Passed) == 0 {
		t.Error("no test passes bare: this shows nothing")
	}
	if machinetest.Update() && chosen == "" && !t.Failed() {
		path := "../../hack/tables/" + table
		text, err := os.ReadFile(path)
		it.Must(t, err)
		it.Must(t, os.WriteFile(path, []byte(tables.WithRow(string(text), row)), 0o644))
	}
}

// mend runs what is worse than bare once more, since some tests wait for a fixed time only,
// and fails for what is worse again.
func (s *suite) mend(bare []tap.Test) {
	s.Helper()
	var again []string
	for _, test := range bare {
		if len(tap.Worse([]tap.Test{test}, s.tests)) > 0 {
			again = append(again, regexp.QuoteMeta(test.Name))
		}
	}
	if len(again) > 0 {
		for _, second := range s.run(s.T, strings.Join(again, "|")) {
			s.tests = append(slices.DeleteFunc(s.tests, func(first tap.Test) bool { return first.Name == second.Name }), second)
		}
	}
	for _, worse := range tap.Worse(bare, s.tests) {
		s.Errorf("%s: worse than bare, twice: %s", s.name, worse)
	}
}

// ginkgoTest is a test in a report of Ginkgo's.
type ginkgoTest struct {
	ContainerHierarchyTexts    []string
	LeafNodeType, LeafNodeText string
	State                      string
	Failure                    struct{ Message string }
}

// parseGinkgo reads a report. What was not chosen is left out: a test that skips itself
// says why.
func parseGinkgo(text []byte) (tests []tap.Test, err error) {
	var suites []struct {
		SpecialSuiteFailureReasons []string
		SpecReports                []ginkgoTest
	}
	if err := json.Unmarshal(text, &suites); err != nil {
		return nil, fmt.Errorf("reading Ginkgo's report: %w", err)
	}
	for _, suite := range suites {
		if why := suite.SpecialSuiteFailureReasons; len(why) > 0 { // as that its time is up
			return nil, fmt.Errorf("reading Ginkgo's report: not all tests ran: %q", why)
		}
		for _, r := range suite.SpecReports {
			if r.LeafNodeType != "It" || r.State == "skipped" && r.Failure.Message == "" {
				continue
			}
			t := tap.Test{Name: strings.Join(append(r.ContainerHierarchyTexts, r.LeafNodeText), " "), Result: tap.Failed, Detail: r.Failure.Message}
			switch r.State {
			case "passed":
				t.Result = tap.Passed
			case "skipped", "pending":
				t.Result = tap.Skipped
			}
			tests = append(tests, t)
		}
	}
	return tests, nil
}

// report logs a run in figures, and what does not pass.
func (s *suite) report() {
	s.Helper()
	for _, t := range s.tests {
		if t.Result != tap.Passed {
			s.Logf("%s: %s\n%s", t.Result, t.Name, t.Detail)
		}
	}
	s.Log(count(s.tests))
}
