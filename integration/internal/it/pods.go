// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/node"
)

// Remove removes a pod while there is still an agent to clean up after it.
func Remove(t *testing.T, pods ...*node.Pod) {
	t.Helper()
	for _, p := range pods {
		if err := p.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// StopRequest asks the CRI to stop a container at once.
func StopRequest(c *node.Container) *runtimeapi.StopContainerRequest {
	return &runtimeapi.StopContainerRequest{ContainerId: c.ID}
}

// AskFor is the annotation by which a pod asks.
func AskFor(profiles string) map[string]string {
	return map[string]string{"profiles.nodegate.dev": profiles}
}

// AskForEach asks for each profile on behalf of the container of the same name.
func AskForEach(profiles ...string) map[string]string {
	annotations := map[string]string{}
	for _, name := range profiles {
		annotations["profiles.nodegate.dev/container."+name] = name
	}
	return annotations
}

// GrantApart grants profiles on request in namespace "ci", each by a grant of its own:
// those of one grant have to go together in one container.
func GrantApart(profiles ...string) string {
	var policy strings.Builder
	for _, name := range profiles {
		fmt.Fprintf(&policy, "[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [%q]\n", name)
	}
	return policy.String()
}

// PodNumber counts pods, for names and UIDs that are this process's own.
var PodNumber atomic.Int32

// RunPod runs a pod's sandbox, which is removed at the test's end. Its name defaults to
// one of its own.
func RunPod(t *testing.T, n *node.Node, c node.PodConfig) *node.Pod {
	t.Helper()
	number := PodNumber.Add(1)
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
		ctx, cancel := context.WithTimeout(context.Background(), Limit)
		defer cancel()
		if err := p.Remove(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

// RunContainer runs a container that has to start.
func RunContainer(t *testing.T, p *node.Pod, c node.ContainerConfig) *node.Container {
	t.Helper()
	container, err := p.RunContainer(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return container
}

// Run runs a pod with one container.
func Run(t *testing.T, n *node.Node, pod node.PodConfig, c node.ContainerConfig) *node.Container {
	t.Helper()
	return RunContainer(t, RunPod(t, n, pod), c)
}

// Refusal runs a container that has to be refused and returns the sentence after
// "nodegate: ", as the kubelet shows it, without the code that ends it.
func Refusal(t *testing.T, p *node.Pod, c node.ContainerConfig) string {
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
	return WithoutCode(sentence)
}

// WithoutCode takes off the code by which the agent ends the one reason of a refusal.
func WithoutCode(sentence string) string {
	before, code, ok := strings.Cut(sentence, " [")
	if ok && strings.HasSuffix(code, "]") && !strings.ContainsAny(code, " ;") {
		return before
	}
	return sentence
}

// SpecOf is the spec that the runtime got for a container.
func SpecOf(t *testing.T, c *node.Container) *specs.Spec {
	t.Helper()
	spec, err := c.Spec()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}
