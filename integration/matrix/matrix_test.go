// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// nriLevel is what a containerd speaks of NRI, as 0.N.
type nriLevel int

const (
	nri10 nriLevel = 10
	nri12 nriLevel = 12
	never nriLevel = 1000
)

// matrixLevels are the NRI of containerd's versions, as the agent names them.
var matrixLevels = map[string]struct {
	level nriLevel
	text  string
}{
	"2.4.2": {nri12, "0.12.3"}, "2.3.7": {nri12, "0.12.0"}, "2.2.9": {11, "0.11.0"}, "2.0.14": {8, "0.8.0"}, "1.7.35": {8, "0.8.0"},
}

// seenCell is where in the matrix an answer was seen.
type seenCell struct {
	v2               bool
	version, handler string
	pod              string // of the case
}

// TestMatrix runs the same pods under the same policy on every containerd, with cgroup v1
// and v2, without nodegate-runc and with it. docs/support-matrix.md is what was seen.
func TestMatrix(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	wrapper := it.BuildWrapper(t)
	seen := map[seenCell]string{}
	for _, v2 := range []bool{false, true} {
		for _, version := range node.Containerds() {
			t.Run(fmt.Sprintf("%s,v2=%v", version, v2), func(t *testing.T) {
				runMatrix(t, wrapper, version, v2, seen)
			})
		}
	}
	if cells := 2 * len(node.Containerds()) * 2 * len(matrixCases()); len(seen) == cells && !t.Failed() {
		checkDocument(t, seen)
	}
}

// runMatrix runs all cases on one node.
func runMatrix(t *testing.T, wrapper *it.BuiltWrapper, version string, v2 bool, seen map[seenCell]string) {
	n := it.StartNode(t, node.Options{Containerd: version, CgroupV2: v2, Handlers: map[string]string{it.Wrapped: wrapper.Program}})
	const cdi = `{"cdiVersion": "0.5.0", "kind": "vendor.test/fuse", "devices": [{"name": "one",
		"containerEdits": {"deviceNodes": [{"path": "/dev/fuse", "fileMode": 438}]}}]}`
	if err := os.WriteFile(filepath.Join(n.Dir(), "cdi/vendor.json"), []byte(cdi), 0o644); err != nil {
		t.Fatal(err)
	}
	policy, err := os.ReadFile("testdata/matrix.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range matrixCases() {
		if c.profile != "" && c.refused == "" && !strings.Contains(string(policy), grantOf(c.profile)) {
			policy = append(policy, grantOf(c.profile)...)
		}
	}
	g, agent := it.StartAgent(t, n, string(policy))
	wrapper.Configure(t, g.State)
	if level := fmt.Sprintf("(NRI %s)", matrixLevels[version].text); !strings.Contains(agent.Log(), level) {
		t.Errorf("the agent does not say %s of the runtime:\n%s", level, agent.Log())
	}

	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, c := range matrixCases() {
		for _, handler := range []string{"", it.Wrapped} {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				got, want := c.answer(t.Context(), n, handler), c.want(version, handler)
				if got != want {
					t.Errorf("%s, handler %q:\n got %s\nwant %s", c.name, handler, got, want)
				}
				mu.Lock()
				defer mu.Unlock()
				seen[seenCell{v2, version, handler, c.pod}] = got
			})
		}
	}
	wg.Wait()
	if t.Failed() {
		t.Logf("containerd's log:\n%s", n.Containerd().Log())
	}
}

func grantOf(profile string) string {
	return fmt.Sprintf("\n[[grants]]\nprofiles = [%q]\nnamespaces = [\"team\"]\n", profile)
}

// answer runs the case's pod and returns "yes", or why not.
func (c *matrixCase) answer(ctx context.Context, n *node.Node, handler string) (said string) {
	ctx, cancel := context.WithTimeout(ctx, it.Limit)
	defer cancel()
	pod := node.PodConfig{Namespace: "team", Name: c.pod, UID: fmt.Sprintf("%s-%d", c.pod, it.PodNumber.Add(1)),
		Handler: handler, UserNamespace: c.userns, Sysctls: c.sysctls}
	if c.profile != "" {
		pod.Annotations = it.AskFor(c.profile)
	}
	p, err := n.RunPod(ctx, pod)
	if err != nil {
		return inOneSentence(err)
	}
	defer func() {
		if err := p.Remove(context.WithoutCancel(ctx)); err != nil {
			said += ", and was not removed: " + err.Error()
		}
	}()
	container, err := p.RunContainer(ctx, c.c)
	if err != nil {
		return inOneSentence(err)
	}
	if len(c.works) == 0 {
		return "runs, and was to be refused"
	}
	if err := it.Check(ctx, container, c.works); err != nil {
		return "runs, but " + err.Error()
	}
	return "yes"
}

// runcSysctl is in runc's words for a sysctl that the kernel does not take.
var runcSysctl = regexp.MustCompile(`failed to (write sysctl) .*(net\.[a-z0-9_.]+).*: (invalid argument)`)

// byProfile is what a refusal says of the profile of the row.
var byProfile = regexp.MustCompile(` by profile "[a-z-]+"`)

// inOneSentence takes what others say around a refusal away.
func inOneSentence(err error) string {
	if _, sentence, ok := strings.Cut(err.Error(), "nodegate: "); ok {
		return "refused: " + byProfile.ReplaceAllString(it.WithoutCode(sentence), "")
	}
	var event *node.EventError
	if errors.As(err, &event) && event.Reason == "FailedCreatePodSandBox" {
		if m := runcSysctl.FindStringSubmatch(event.Message); m != nil {
			return fmt.Sprintf("the sandbox fails: %s key %s: %s", m[1], m[2], m[3])
		}
		return "refused: " + strings.TrimPrefix(event.Message, "Failed to create pod sandbox: ")
	}
	return "fails: " + err.Error()
}

// want is what is promised.
func (c *matrixCase) want(version, handler string) string {
	nri := matrixLevels[version]
	container := fmt.Sprintf(`refused: container "main" of pod team/%s `, c.pod)
	switch {
	case c.userns && strings.HasPrefix(version, "1."):
		class := "runtime"
		if handler != "" {
			class = fmt.Sprintf("RuntimeClass handler %q", handler)
		}
		return fmt.Sprintf("refused: can't set `spec.hostUsers: false`, %s does not support user namespaces: the handler %q is not known", class, handler)
	case c.refused != "":
		return container + c.refused
	case handler == "" && strings.HasPrefix(c.instead, "would "):
		return container + c.instead
	case handler == "" && c.instead != "":
		return c.instead
	case handler == "" && c.userUnknown != "" && nri.level < nri12:
		return container + c.userUnknown
	case c.except[version] != "":
		return container + c.except[version]
	case handler == "" && nri.level < c.since:
		return container + fmt.Sprintf(`would get %s, which containerd v%s (NRI %s) cannot carry: set runtimeClassName: nodegate in the pod's spec (a RuntimeClass of handler "nodegate")`, c.what, version, nri.text)
	}
	return "yes"
}
