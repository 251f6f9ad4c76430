// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/cluster"
	"github.com/nodegate/nodegate/integration/node"
)

// The chart's installer configures older containerds too, 1.7 with NRI off among them,
// and pods behind the wrapper get what NRI there does not carry.
func TestOlderContainerds(t *testing.T) {
	for _, containerd := range node.Containerds() {
		if containerd == node.DefaultContainerd {
			continue
		}
		t.Run(containerd, func(t *testing.T) {
			k := ownWith(t, cluster.Options{Containerd: containerd})
			k.install("--set", "nri.runtime.patchConfig=true", "--set-file", "policy="+k.policy(""))
			k.namespace("ci")
			pods := []string{"plain", "user-namespace"}
			if strings.HasPrefix(containerd, "1.") { // has no user namespaces for Kubernetes
				pods = pods[:1]
			}
			for _, pod := range pods {
				spec := "runtimeClassName: nodegate"
				if pod == "user-namespace" {
					spec += "\n  hostUsers: false"
				}
				k.apply(manifest("ci", pod, "profiles.nodegate.dev: fuse", spec))
				k.ready("ci", pod)
				if got := k.probe("ci", pod, "open /dev/fuse rw"); got != "ok" {
					t.Errorf("%s: open /dev/fuse: %s", pod, got)
				}
			}
			k.apply(manifest("ci", "greedy", "profiles.nodegate.dev: kvm", "runtimeClassName: nodegate"))
			if got := k.refused("ci", "greedy"); !strings.Contains(got, `asks for profile "kvm", which is not granted in namespace "ci"`) {
				t.Error(got)
			}
		})
	}
}
