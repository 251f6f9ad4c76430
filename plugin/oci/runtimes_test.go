// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"testing"

	"github.com/nodegate/nodegate/plugin/change"
)

// A handler of its own calls the wrapper by a name of its own, and gets its own runtime,
// with the container's record all the same.
func TestRuntimesOfHandlers(t *testing.T) {
	n := newNode(t)
	n.configure("[runtimes]\nnvidia = \"other-runc\"\n")
	n.write("bin/other-runc", "#!/bin/sh\nexit 43\n", 0o755)
	create := func(called string) outcome {
		return n.runAs([]string{called, "--log", n.log, "--log-format", "json", "create", "--bundle", n.bundle, "c1"})
	}
	n.spec(0, pod("ci"), "{}")
	n.wantRefused(create("nodegate-runc-nvidia"), "has no decision record")
	n.spec(0, n.decide(change.Adjustment{}), "{}")
	for called, status := range map[string]int{"/usr/local/bin/nodegate-runc-nvidia": 43, "/usr/local/bin/nodegate-runc": 42, "nvidia": 42, "nodegate-runc-nvidia/runc": 42} {
		if got := create(called); got.status != status {
			t.Errorf("called as %s: %+v, want %d", called, got, status)
		}
	}
	const unknown = "/usr/local/bin/nodegate-runc-kata"
	n.wantRefused(create(unknown), `called as "nodegate-runc-kata", and `+n.path("runc.toml")+` names no runtime for it: write kata = "NAME OR PATH OF ITS RUNTIME" under [runtimes]`)
	if got := n.runAs([]string{unknown, "delete", "--force", "c1"}); got.status != 42 {
		t.Errorf("what runs cannot be removed: %+v", got)
	}
}
