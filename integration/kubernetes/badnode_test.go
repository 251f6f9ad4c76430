// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// On a node whose containerd has NRI off, the DaemonSet's pod says so in its status and
// its log, and everything else on the node goes on. It is ready once NRI is on.
func TestNodeWithoutNRI(t *testing.T) {
	k := own(t)
	restart := func() {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		if err := k.RestartContainerd(ctx); err != nil {
			t.Fatal(err)
		}
	}
	const config = "/etc/containerd/config.toml"
	with, err := k.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	head, nri, _ := strings.Cut(with, "[plugins.'io.containerd.nri.v1.nri']")
	without := head + "[plugins.'io.containerd.nri.v1.nri']" + strings.Replace(nri, "disable = false", "disable = true", 1)
	if without == with {
		t.Fatalf("nothing to switch off in:\n%s", with)
	}
	if err := k.WriteFile(config, without); err != nil {
		t.Fatal(err)
	}
	restart()
	// The folder of the socket stays from before.
	if out, err := k.Command("rm", "-rf", "/run/nri").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	k.do("create", "namespace", namespace)
	k.helm("install", "nodegate", chart, "--namespace", namespace)
	const want = "the agent is not ready: not registered with the runtime: connecting to NRI: "
	k.eventually("a pod that says why it is not ready", func() error {
		events := k.get("-n", namespace, "get", "events", "--field-selector", "reason=Unhealthy", "-o", `jsonpath={range .items[*]}{.message}{"\n"}{end}`)
		if !strings.Contains(events, want) {
			return fmt.Errorf("events: %s, pods: %s", events, k.get("-n", namespace, "describe", "pods"))
		}
		return nil
	})
	if got := k.do("-n", namespace, "get", "daemonset", "nodegate", "-o", "jsonpath={.status.numberUnavailable}"); got != "1" {
		t.Errorf("unavailable: %s", got)
	}
	logs := k.do("-n", namespace, "logs", "daemonset/nodegate")
	if !strings.Contains(logs, "not connected to the runtime; retrying") || !strings.Contains(logs, "is NRI switched on") {
		t.Errorf("the log says\n%s", logs)
	}
	k.namespace("free")
	k.apply(manifest("free", "app", "", ""))
	k.ready("free", "app")

	if err := k.WriteFile(config, with); err != nil {
		t.Fatal(err)
	}
	restart()
	k.rollout()
	if is := k.agents(); len(is) != 1 || is[0].restarts() != 0 {
		t.Errorf("the agent did not wait: %+v", is)
	}
}
