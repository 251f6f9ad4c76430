// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/internal/tap"
	"github.com/nodegate/nodegate/integration/machines/machinetest"
	"github.com/nodegate/nodegate/integration/node"
)

// notRun are tests of critest that say nothing here, with the reason.
var notRun = map[string]string{
	`with digest`:                           "that image is on the internet only",
	`should timeout if requested`:           "an image that comes at once cannot be late",
	`port mapping with host port`:           "needs the CNI plugin portmap, which the test node has not",
	`plugin synchronization should receive`: "containerd loses containers that start while a plugin is synchronized: they skip themselves, or pass by luck",
}

// criLimit bounds a run, which takes three minutes on a quiet machine.
const criLimit = 30 * time.Minute

// What agents are told. adjustAll has every container of critest adjusted, by changes that
// none of its tests looks at.
const (
	grantNothing = `runtime.handlers = ["", "nodegate"]
`
	adjustAll = grantNothing + `[[grants]]
namespaces = ["cri-test-*"]
profiles = ["present"]
apply = "always"
[profiles.present]
env = { NODEGATE_PRESENT = "1" }
tmpfs = [{ path = "/run/present", size = "64Ki" }]
`
)

// The CRI's own tests of runtimes (cri-tools' critest) on a node bare, and with the agent
// and with nodegate-runc as the default runtime, first with nothing granted and then with
// every container adjusted: what passes bare passes. The three run at once, since they wait
// most of the time. NODEGATE_SUITES_FOCUS chooses tests by a regular expression.
func TestCRI(t *testing.T) {
	program, version := buildCritest(t)
	images := buildImages(t)
	all := []*criSuite{
		{name: "bare", node: it.StartNode(t, images.options())},
		{name: "nothing granted", node: startWrapped(t, images.options(), grantNothing)},
		{name: "every container adjusted", node: startWrapped(t, images.options(), adjustAll)},
	}
	for _, s := range all {
		images.serve(t, s.node)
	}
	focus := os.Getenv("NODEGATE_SUITES_FOCUS")
	t.Run("runs", func(t *testing.T) {
		for _, s := range all {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.T, s.program = t, program
				s.tests = s.run(focus)
				s.report()
			})
		}
	})
	row := version + " | " + node.DefaultContainerd
	for _, s := range all {
		s.T = t
		s.mend(all[0].tests)
		row += " | " + count(s.tests).String()
	}
	t.Log("critest " + row)
	if tap.Count(all[0].tests, tap.Passed) == 0 {
		t.Error("no test passes bare: this shows nothing")
	}
	if machinetest.Update() && focus == "" && !t.Failed() {
		it.Must(t, os.WriteFile("../../hack/tables/critest.txt", []byte("critest "+row+"\n"), 0o644))
	}
}

// startWrapped starts a node with an agent, whose default runtime is nodegate-runc.
func startWrapped(t *testing.T, o node.Options, policy string) *node.Node {
	t.Helper()
	o.DefaultHandler = it.Wrapped
	n, w := it.WrappedNode(t, o)
	g, _ := it.StartAgent(t, n, policy)
	w.Configure(t, g.State)
	return n
}

// mend runs what is worse than bare once more, since some tests wait for a fixed time only,
// and fails for what is worse again.
func (s *criSuite) mend(bare []tap.Test) {
	s.Helper()
	var again []string
	for _, test := range bare {
		if len(tap.Worse([]tap.Test{test}, s.tests)) > 0 {
			again = append(again, regexp.QuoteMeta(test.Name))
		}
	}
	if len(again) > 0 {
		for _, second := range s.run(strings.Join(again, "|")) {
			s.tests = append(slices.DeleteFunc(s.tests, func(first tap.Test) bool { return first.Name == second.Name }), second)
		}
	}
	for _, worse := range tap.Worse(bare, s.tests) {
		s.Errorf("%s: worse than bare, twice: %s", s.name, worse)
	}
}

// criSuite is critest on a node.
type criSuite struct {
	*testing.T
	name, program string
	node          *node.Node
	tests         []tap.Test // what became of them
}

// buildCritest builds it, which is the test of a package.
func buildCritest(t *testing.T) (program, version string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "critest")
	inPin(t, "critest", "test", "-c", "-trimpath", "-buildvcs=false", "-o", program, "sigs.k8s.io/cri-tools/cmd/critest")
	return program, inPin(t, "critest", "list", "-m", "-f", "{{.Version}}", "sigs.k8s.io/cri-tools")
}

// run runs the tests that a regular expression chooses, where containerd runs.
func (s *criSuite) run(focus string) []tap.Test {
	s.Helper()
	dir := s.TempDir()
	report := filepath.Join(dir, "report.json")
	args := []string{"-test.timeout=0", "-ginkgo.timeout=" + criLimit.String(), "-runtime-endpoint=unix://" + s.node.CRISocket(), "-nri-socket=" + s.node.NRISocket(),
		"-ginkgo.no-color", "-ginkgo.succinct", "-ginkgo.json-report=" + report}
	if focus != "" {
		args = append(args, "-ginkgo.focus="+focus)
	}
	for skip := range notRun {
		args = append(args, "-ginkgo.skip="+skip)
	}
	// A working directory from outside of the node has no name in it.
	cmd := s.node.Command("sh", append([]string{"-c", `cd "$0" && exec "$@"`, dir, s.program}, args...)...)
	cmd.Stdout, cmd.Stderr = s.Output(), s.Output()
	// It ends with 1 where a test fails: what counts is in the report.
	_ = cmd.Run()
	text, err := os.ReadFile(report)
	it.Must(s.T, err)
	tests, err := parseGinkgo(text)
	it.Must(s.T, err)
	return tests
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
	var suites []struct{ SpecReports []ginkgoTest }
	if err := json.Unmarshal(text, &suites); err != nil {
		return nil, fmt.Errorf("reading critest's report: %w", err)
	}
	for _, suite := range suites {
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
func (s *criSuite) report() {
	s.Helper()
	for _, t := range s.tests {
		if t.Result != tap.Passed {
			s.Logf("%s: %s\n%s", t.Result, t.Name, t.Detail)
		}
	}
	s.Log(count(s.tests))
}
