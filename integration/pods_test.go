// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/integration/node"
)

// otherHandler is a second runtime handler of the shared node. It is runc too.
const otherHandler = "other"

// gateway is the node's end of the pods' network: something to ping.
const gateway = "10.88.0.1"

// askFor is the annotation by which a pod asks.
func askFor(profiles string) map[string]string {
	return map[string]string{"profiles.nodegate.dev": profiles}
}

// askForEach asks for each profile on behalf of the container of the same name.
func askForEach(profiles ...string) map[string]string {
	annotations := map[string]string{}
	for _, name := range profiles {
		annotations["profiles.nodegate.dev/container."+name] = name
	}
	return annotations
}

// grantApart grants profiles on request in namespace "ci", each by a grant of its own:
// those of one grant have to go together in one container.
func grantApart(profiles ...string) string {
	var policy strings.Builder
	for _, name := range profiles {
		fmt.Fprintf(&policy, "[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [%q]\n", name)
	}
	return policy.String()
}

// shared is the node of all tests that do nothing to containerd itself.
var shared struct {
	once sync.Once
	node *node.Node
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.node != nil {
		if err := closeNode(shared.node); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// sharedNode starts the shared node when the first test needs it. One test at a time
// has an agent there; its subtests may be parallel.
func sharedNode(t *testing.T) *node.Node {
	t.Helper()
	bin, err := node.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	o := node.Options{Handlers: map[string]string{otherHandler: filepath.Join(bin, "runc")}}
	node.Require(t, o)
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		shared.node, shared.err = node.Start(ctx, o)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.node
}

var podNumber atomic.Int32

// runPod runs a pod's sandbox, which is removed at the test's end. Its name defaults to
// one of its own.
func runPod(t *testing.T, n *node.Node, c node.PodConfig) *node.Pod {
	t.Helper()
	number := podNumber.Add(1)
	if c.Name == "" {
		c.Name = fmt.Sprintf("pod-%d", number)
	}
	if c.UID == "" {
		c.UID = fmt.Sprintf("uid-%d", number)
	}
	p, err := n.RunPod(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := p.Remove(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

// runContainer runs a container that has to start.
func runContainer(t *testing.T, p *node.Pod, c node.ContainerConfig) *node.Container {
	t.Helper()
	container, err := p.RunContainer(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return container
}

// run runs a pod with one container.
func run(t *testing.T, n *node.Node, pod node.PodConfig, c node.ContainerConfig) *node.Container {
	t.Helper()
	return runContainer(t, runPod(t, n, pod), c)
}

// refusal runs a container that has to be refused and returns the sentence from
// "nodegate: " on, as the kubelet shows it.
func refusal(t *testing.T, p *node.Pod, c node.ContainerConfig) string {
	t.Helper()
	_, err := p.RunContainer(t.Context(), c)
	var event *node.EventError
	if !errors.As(err, &event) {
		t.Fatalf("not refused: %v", err)
	}
	_, sentence, ok := strings.Cut(event.Message, "nodegate: ")
	if !ok || event.Reason != "Failed" {
		t.Fatalf("refused by another: %s: %s", event.Reason, event.Message)
	}
	return sentence
}

// probe asks a question in the container and returns the answer.
func probe(t *testing.T, c *node.Container, question ...string) string {
	t.Helper()
	answer, err := c.Probe(t.Context(), question...)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// expect asks a question, which is one line of words, and compares the answer.
func expect(t *testing.T, c *node.Container, question, want string) {
	t.Helper()
	expectEach(t, c, []qa{{question, want}})
}

// qa is a question and the answer that it should get.
type qa struct{ question, want string }

// expectEach asks questions in their order. It costs one exec, however many there are.
func expectEach(t *testing.T, c *node.Container, all []qa) {
	t.Helper()
	questions := make([]string, len(all))
	for i := range all {
		questions[i] = all[i].question
	}
	for i, got := range ask(t, c, questions...) {
		if got != all[i].want {
			t.Errorf("%s in container %q: %q, want %q", all[i].question, c.Config.Name, got, all[i].want)
		}
	}
}

// ask asks questions and returns the answers, in their order.
func ask(t *testing.T, c *node.Container, questions ...string) []string {
	t.Helper()
	var answers []string
	text := probe(t, c, append([]string{"each"}, questions...)...)
	if err := json.Unmarshal([]byte(text), &answers); err != nil || len(answers) != len(questions) {
		t.Fatalf("asking %q: %s", questions, text)
	}
	return answers
}

// file is what the probe's stat answers.
type file struct {
	Type, Mode   string
	UID, GID     uint32
	Major, Minor uint32
}

func stat(t *testing.T, c *node.Container, path string) file {
	t.Helper()
	return parseFile(t, ask(t, c, "stat "+path)[0])
}

func parseFile(t *testing.T, answer string) file {
	t.Helper()
	var f file
	if err := json.Unmarshal([]byte(answer), &f); err != nil {
		t.Fatalf("stat: %s", answer)
	}
	return f
}

func specOf(t *testing.T, c *node.Container) *specs.Spec {
	t.Helper()
	spec, err := c.Spec()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}
