// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"strings"
	"testing"
)

// Without Helm: kubectl applies what is rendered from the chart, and takes it away.
func TestManifests(t *testing.T) {
	k := own(t)
	const manifests = "../../config/deploy/manifests"
	k.do("apply", "-k", manifests)
	k.rollout()
	k.namespace("ci")
	k.apply(manifest("ci", "greedy", "profiles.nodegate.dev: fuse", ""))
	if got := k.refused("ci", "greedy"); !strings.Contains(got, `"fuse", which is not granted in namespace "ci" (granted there: nothing)`) {
		t.Error(got)
	}
	k.do("delete", "-k", manifests, "--timeout=60s")
	if left := k.do("get", "all", "-A", "-l", "app.kubernetes.io/name=nodegate", "-o", "name"); left != "" {
		t.Errorf("left: %s", left)
	}
}
