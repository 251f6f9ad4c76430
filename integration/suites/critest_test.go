// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/internal/tap"
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

// grantNothing and adjustAll are what agents are told. The latter has every container of
// some namespaces adjusted, by changes that no test looks at.
const grantNothing = "runtime.handlers = [\"\", \"nodegate\"]\n"

func adjustAll(namespaces string) string {
	return grantNothing + fmt.Sprintf(`[[grants]]
namespaces = [%q]
profiles = ["present"]
apply = "always"
[profiles.present]
env = { NODEGATE_PRESENT = "1" }
tmpfs = [{ path = "/run/present", size = "64Ki" }]
`, namespaces)
}

// The CRI's own tests of runtimes (cri-tools' critest) on a node bare, and with the agent
// and with nodegate-runc as the default runtime, first with nothing granted and then with
// every container adjusted: what passes bare passes. The three run at once, since they wait
// most of the time. NODEGATE_SUITES_FOCUS chooses tests by a regular expression.
func TestCRI(t *testing.T) {
	program, version := buildCritest(t)
	images := buildImages(t, t.TempDir())
	critest := func(name string, n *node.Node) *suite {
		images.serve(t, n)
		return &suite{name: name, run: func(t *testing.T, focus string) []tap.Test { return runCritest(t, n, program, focus) }}
	}
	compare(t, "critest "+version+" | "+node.DefaultContainerd, "critest.txt", "", []*suite{
		critest("bare", it.StartNode(t, images.options())),
		critest("nothing granted", startWrapped(t, images.options(), grantNothing)),
		critest("every container adjusted", startWrapped(t, images.options(), adjustAll("cri-test-*"))),
	})
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

// buildCritest builds it, which is the test of a package.
func buildCritest(t *testing.T) (program, version string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "critest")
	inPin(t, "critest", "test", "-c", "-trimpath", "-buildvcs=false", "-o", program, "sigs.k8s.io/cri-tools/cmd/critest")
	return program, inPin(t, "critest", "list", "-m", "-f", "{{.Version}}", "sigs.k8s.io/cri-tools")
}

// runCritest runs the tests that a regular expression chooses, where containerd runs.
func runCritest(t *testing.T, n *node.Node, program, focus string) []tap.Test {
	t.Helper()
	dir := t.TempDir()
	report := filepath.Join(dir, "report.json")
	args := []string{"-test.timeout=0", "-ginkgo.timeout=" + criLimit.String(), "-runtime-endpoint=unix://" + n.CRISocket(), "-nri-socket=" + n.NRISocket(),
		"-ginkgo.no-color", "-ginkgo.succinct", "-ginkgo.json-report=" + report}
	if focus != "" {
		args = append(args, "-ginkgo.focus="+focus)
	}
	for skip := range notRun {
		args = append(args, "-ginkgo.skip="+skip)
	}
	// A working directory from outside of the node has no name in it.
	cmd := n.Command("sh", append([]string{"-c", `cd "$0" && exec "$@"`, dir, program}, args...)...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	// It ends with 1 where a test fails: what counts is in the report.
	_ = cmd.Run()
	text, err := os.ReadFile(report)
	it.Must(t, err)
	tests, err := parseGinkgo(text)
	it.Must(t, err)
	return tests
}
