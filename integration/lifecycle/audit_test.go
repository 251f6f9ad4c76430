// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// In audit mode the agent says what it would do and does none of it; a reload turns it
// to enforcing, and back: then the runtime refuses nothing for an agent that hangs.
func TestLifecycleAudit(t *testing.T) {
	it.NeedFuse(t)
	n := it.StartNode(t, node.Options{ExtraConfig: it.ShortTimeout})
	g, agent := it.StartAgent(t, n, "mode = \"audit\"\n"+grantOneOfEach)
	granted := it.RunPod(t, n, node.PodConfig{UserNamespace: true, Annotations: it.AskFor(oneOfEach)})
	greedy := it.RunPod(t, n, node.PodConfig{Annotations: it.AskFor("kvm")})
	plain := it.RunPod(t, n, node.PodConfig{})
	audited := func(name string, decided int) {
		t.Helper()
		c := it.RunContainer(t, granted, node.ContainerConfig{Name: name})
		it.Expect(t, c, "open /dev/fuse rw", "ENOENT")
		it.Expect(t, c, "sysctl net.ipv4.ping_group_range", "65534 65534")
		if got := given(t, g, c); strings.Contains(got, g.Shadows) || strings.Contains(got, "seccomp\": {") || !strings.Contains(got, "nonces\": 0") {
			t.Errorf("changed in audit mode: %s", got)
		}
		it.RunContainer(t, greedy, node.ContainerConfig{Name: name})
		g.ExpectLeft(t, nil, nil)
		for _, want := range []string{"container would be adjusted", `\"kvm\", which is not granted`} {
			got := 0
			for line := range strings.Lines(agent.Log()) {
				if strings.Contains(line, want) && strings.Contains(line, "audit=true") {
					got++
				}
			}
			if got != decided {
				t.Errorf("logged %d times, want %d: %s", got, decided, want)
			}
		}
	}
	audited("first", 1)

	g.Write(t, "mode = \"enforce\"\n"+grantOneOfEach)
	it.WaitLogged(t, agent, policyReplaced, 1)
	it.WaitLogged(t, n.Containerd(), it.Connected, 2) // another mode is another registration
	enforced := it.RunContainer(t, granted, node.ContainerConfig{Name: "enforced"})
	expectAll(t, enforced)
	if got := it.Refusal(t, greedy, node.ContainerConfig{Name: "enforced"}); !strings.Contains(got, `"kvm", which is not granted`) {
		t.Errorf("refused with %q", got)
	}

	g.Write(t, "mode = \"audit\"\n"+grantOneOfEach)
	it.WaitLogged(t, agent, policyReplaced, 2)
	it.WaitLogged(t, n.Containerd(), it.Connected, 3)
	stop(t, agent)
	it.RunContainer(t, plain, node.ContainerConfig{Name: "unanswered"})
	wake(t, n, agent)
	expectAll(t, enforced) // what was given stays
	if err := enforced.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The sysctl is the pod's, and it has been given.
	it.Remove(t, granted)
	granted = it.RunPod(t, n, node.PodConfig{UserNamespace: true, Annotations: it.AskFor(oneOfEach)})
	audited("last", 2)
}
