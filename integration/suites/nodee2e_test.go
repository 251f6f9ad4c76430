// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/cluster"
	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/internal/tap"
	"github.com/nodegate/nodegate/integration/node"
)

// e2ePin has Kubernetes' tests of nodes, in the version e2eKubernetes.
const (
	e2ePin        = "node-e2e"
	e2eKubernetes = "1.37.2"
	e2eTests      = "e2e_node.test"
)

// e2eGroups are the tests that are run: those of what nodegate has to do with, and those of
// conformance.
var e2eGroups = []struct{ name, focus string }{
	{"security", `\[Feature:UserNamespacesSupport\]|ProcMount|SeccompDefault|Security Context|Sysctls|RuntimeClass|PrivilegedPod|Device Plugin`},
	{"conformance", `\[Conformance\]`},
}

// e2eNotRun are tests of these that are not run here, with the reason. Of the others some fail
// bare already, for want of curl and GNU env in the images, of an image that nobody can pull,
// and of the kernel's dummy network device.
var e2eNotRun = map[string]string{
	`LSCIQuotaMonitoring`: "needs a file system with quotas",
	`assignments|\[OrphanedPods\]|will not attempt to admit|Device Plugin Multiple`: "what the kubelet remembers of devices while it is restarted: minutes each",
}

// Kubernetes' own tests of nodes (test/e2e_node) on a node bare, and with the agent and with
// nodegate-runc as the default runtime, first with nothing granted and then with every
// container adjusted: what passes bare passes. The images that can be made here are; what
// needs others is not run. NODEGATE_SUITES_FOCUS chooses tests by a regular expression.
func TestNodeE2E(t *testing.T) {
	cluster.Require(t)
	bin, err := node.BinDir()
	it.Must(t, err)
	programs := filepath.Join(bin, e2ePin) // a node has this machine's programs there only
	buildE2E(t, programs)
	images := buildImages(t, programs, filepath.Join(programs, "agnhost"), filepath.Join(programs, "sample-device-plugin"))
	e2e := func(name, policy string) *suite {
		n := startE2ENode(t, programs, images, policy)
		return &suite{name: name, run: n.runE2E}
	}
	all := []*suite{e2e("bare", ""), e2e("nothing granted", grantNothing), e2e("every container adjusted", adjustAll("*"))}
	version := inPin(t, e2ePin, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
	for _, group := range e2eGroups {
		t.Run(group.name, func(t *testing.T) {
			compare(t, e2ePin+" "+group.name+" "+version+" | "+node.DefaultContainerd, "nodee2e.txt", group.focus, all)
		})
	}
}

// buildE2E builds the tests, what runs several of them at a time, and what their images have.
func buildE2E(t *testing.T, dir string) {
	t.Helper()
	it.Must(t, os.MkdirAll(dir, 0o755))
	inPin(t, e2ePin, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", dir+"/", "tool")
	inPin(t, e2ePin, "test", "-c", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, e2eTests), "k8s.io/kubernetes/test/e2e_node")
}

// runE2E runs the tests that a regular expression chooses on the node.
func (n e2eNode) runE2E(t *testing.T, focus string) []tap.Test {
	t.Helper()
	const report = "report.json"
	n.do(t, "rm", "-f", e2eDir+"/"+report)
	// From outside of the node no working directory has a name in it.
	args := []string{"--chdir=" + e2eDir, "PATH=" + e2eDir + ":" + os.Getenv("PATH"), filepath.Join(n.programs, "ginkgo"), "--procs=4", "--no-color", "--succinct", "--timeout=3h",
		"--json-report=" + report, "--output-dir=" + e2eDir, "--focus=" + focus}
	for skip := range e2eNotRun {
		args = append(args, "--skip="+skip)
	}
	args = append(args, e2eDir+"/"+e2eTests, "--", "--start-services=false", "--stop-services=false", "--prepull-images=false",
		"--host=https://"+cluster.Service, "--bearer-token="+n.token(t), "--node-name="+n.Name, "--system-spec-file="+e2eDir+"/spec.yaml",
		"--container-runtime-endpoint=unix:///run/containerd/containerd.sock")
	cmd := n.Command("env", args...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	_ = cmd.Run() // it ends with 1 where a test fails: what counts is in the report
	text, err := n.ReadFile(e2eDir + "/" + report)
	it.Must(t, err)
	tests, err := parseGinkgo([]byte(text))
	it.Must(t, err)
	return tests
}

// token is the administrator's.
func (n e2eNode) token(t *testing.T) string {
	t.Helper()
	all, err := n.ReadFile("/etc/kubernetes/tokens.csv")
	it.Must(t, err)
	for line := range strings.Lines(all) {
		if token, rest, _ := strings.Cut(line, ","); strings.HasPrefix(rest, "admin,") {
			return token
		}
	}
	t.Fatal("the cluster has no token of an administrator")
	return ""
}
