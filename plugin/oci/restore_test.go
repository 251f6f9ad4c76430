// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import "testing"

// A checkpoint brings seccomp filters and capabilities of its own, and its
// image may be a pod author's: containerd 2.1 to 2.3 call restore for one.
func TestRestoreIsNoWayAroundCreate(t *testing.T) {
	n := newNode(t)
	n.configure(`exempt_namespaces = ["kube-system"]`)
	restore := func() outcome {
		return n.run("--log", n.log, "--log-format", "json", "restore", "--image-path", "/checkpoint", "--work-path", "/w",
			"-d", "--bundle", n.bundle, "c1")
	}
	n.spec(0, pod("ci"), "{}")
	n.wantRefused(restore(), `container "main" of pod ci/build-1 would be restored from a checkpoint`)
	n.spec(0, n.decide(mknod), "{}") // not with a record either
	n.wantRefused(restore(), "would be restored from a checkpoint")
	for name, annotations := range map[string]map[string]string{"exempt": pod("kube-system"), "not of Kubernetes": nil} {
		n.spec(0, annotations, "{}")
		if got := restore(); got.status != 42 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
