// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"strings"
	"testing"
)

// While no agent is on the node, pods of granted namespaces do not start, and others do.
func TestAbsentAgent(t *testing.T) {
	k := installed(t)
	k.namespace("locked")
	k.namespace("free-absent")
	place := func(selector string) {
		k.do("-n", namespace, "patch", "daemonset", "nodegate", "--type=merge", "-p", `{"spec":{"template":{"spec":{"nodeSelector":`+selector+`}}}}`)
	}
	back := func() {
		place(`{"away":null}`)
		k.rollout()
	}
	place(`{"away":"yes"}`)
	defer back()
	k.eventually("the agent to be away", func() error {
		if left := k.do("-n", namespace, "get", "pods", "-o", "name"); left != "" {
			return fmt.Errorf("there is %s", left)
		}
		return nil
	})
	k.apply(manifest("locked", "app", "", ""))
	k.apply(manifest("locked", "wrapped", "", "runtimeClassName: nodegate"))
	k.apply(manifest("free-absent", "app", "", ""))
	k.ready("free-absent", "app")
	for pod, want := range map[string]string{"app": "nodegate", "wrapped": "nodegate"} {
		k.eventually("a reason why "+pod+" does not start", func() error {
			events := k.events("locked", "reason=Failed,involvedObject.name="+pod)
			if !strings.Contains(events, want) {
				return fmt.Errorf("events: %s\n%s", events, k.get("-n", "locked", "describe", "pod", pod))
			}
			return nil
		})
	}
	back()
	// The kubelet tries again, with the agent there.
	for _, pod := range []string{"app", "wrapped"} {
		k.ready("locked", pod)
		if got := k.probe("locked", pod, "mknod c /tmp/null 1 3"); got != "EPERM" {
			t.Errorf("%s under no-mknod: %s", pod, got)
		}
	}
}
