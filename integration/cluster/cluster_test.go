// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Two nodes, of which one is started again: pods run on each, and can be asked.
func TestCluster(t *testing.T) {
	Require(t)
	started := time.Now()
	c, err := Start(t.Context(), Options{Nodes: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("ready after", time.Since(started))
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	kubectl := func(args ...string) string {
		t.Helper()
		out, err := c.Kubectl(ctx, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, n := range c.Nodes {
		kubectl("run", n.Name, "--image=docker.io/local/probe:1", "--image-pull-policy=Never", "--overrides", `{"spec":{"nodeName":"`+n.Name+`"}}`)
	}
	for _, n := range c.Nodes {
		kubectl("wait", "pod/"+n.Name, "--for=condition=Ready", "--timeout=60s")
		t.Log(kubectl("exec", n.Name, "--", "/probe", "id"))
	}
	second := c.Nodes[1]
	address := kubectl("get", "pod", NodeName, "-o", "jsonpath={.status.podIP}")
	if got := kubectl("exec", second.Name, "--", "/probe", "ping", address); !strings.Contains(got, "reply from "+address) {
		t.Errorf("a pod of %s asks one of %s: %s", second.Name, NodeName, got)
	}
	for _, name := range []string{"/etc/stays", "/run/goes"} {
		if err := second.WriteFile(name, "text"); err != nil {
			t.Fatal(err)
		}
	}
	started = time.Now()
	if err := c.Reboot(ctx, second); err != nil {
		t.Fatal(err)
	}
	t.Log("rebooted after", time.Since(started))
	if _, err := second.ReadFile("/etc/stays"); err != nil {
		t.Error(err)
	}
	if _, err := second.ReadFile("/run/goes"); err == nil {
		t.Error("/run is as it was")
	}
	// The same pod, in a new container.
	for kubectl("get", "pod", second.Name, "-o", "jsonpath={.status.containerStatuses[0].restartCount}") == "0" {
		time.Sleep(100 * time.Millisecond)
	}
	kubectl("wait", "pod/"+second.Name, "--for=condition=Ready", "--timeout=60s")
	t.Log(kubectl("exec", second.Name, "--", "/probe", "id"))
}
