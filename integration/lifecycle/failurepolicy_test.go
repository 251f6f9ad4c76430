// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"strings"
	"testing"

	"github.com/containerd/nri/pkg/adaptation"

	"github.com/nodegate/nodegate/integration/node"
)

// TestFailurePolicy stops the agent under a runtime that knows failure
// policies (NRI 0.12.4 and later; no containerd that is released): a request
// that is not answered in time fails, and does not go on without the agent.
func TestFailurePolicy(t *testing.T) {
	node.Require(t, node.Options{})
	r := startRuntime(t, nodegatePlugin)
	pod, ctr := roundTripPod("c0", "default", "", false, 0)
	request := &adaptation.CreateContainerRequest{Pod: pod, Container: ctr}
	if _, err := r.CreateContainer(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if err := node.Freeze(r.plugin.Process); err != nil {
		t.Fatal(err)
	}
	_, err := r.CreateContainer(t.Context(), request)
	if err == nil || !strings.Contains(err.Error(), "nodegate") {
		t.Errorf("a request to an agent that hangs: %v; want an error that names it", err)
	}
}
