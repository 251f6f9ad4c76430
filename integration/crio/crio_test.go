// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package crio

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
)

func (c *crio) pod(namespace string) *pod {
	return &pod{id: c.newID(), name: "build", namespace: namespace}
}

// TestReplay: what the policy takes away is gone in the container and in every exec,
// with and without a terminal, with the host's network, and after a restart of CRI-O.
func TestReplay(t *testing.T) {
	c := newCRIO(t)
	c.startAgent()
	execs := func(ctr *container) {
		t.Helper()
		it.Must(t, c.exec(ctr), c.exec(ctr, "--tty", "--console-socket", c.console()))
		// kubectl exec is CRI-O's own call, which waits for the process: it names the
		// root in two words.
		text, err := c.stream(ctr)
		it.Must(t, err)
		if !strings.Contains(text, "CapBnd:\t0000000000000081") { // CHOWN and SETUID
			t.Errorf("kubectl exec has\n%s", text)
		}
	}
	var all []*container
	for _, tty := range []bool{false, true} {
		for _, host := range []bool{false, true} {
			p := c.pod("team-a")
			p.host = host
			ctr := c.newContainer(p, "main")
			it.Must(t, c.create(ctr, tty))
			c.expectLess(filepath.Join(ctr.bundle, "pidfile"))
			execs(ctr)
			all = append(all, ctr)
		}
	}
	c.restart()
	execs(all[0])
	again := c.newContainer(all[0].pod, "again")
	it.Must(t, c.create(again, false))
	execs(again)
}

// TestInfraContainer: one that CRI-O keeps starts without an agent, as sandboxes do,
// whatever the pod's author wrote into its spec. One that it drops is never created.
func TestInfraContainer(t *testing.T) {
	c := newCRIO(t)
	p := c.pod("team-a")
	p.annotations = map[string]string{"io.container.manager": "libpod", "io.kubernetes.cri.sandbox-namespace": "kube-system", "bundle": c.dir}
	it.Must(t, c.create(c.newContainer(p, ""), false))
	// Such an author gets no container started as a sandbox or as exempt.
	for _, key := range []string{"io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"} {
		p.annotations[key] = "sandbox"
		if err := c.create(c.newContainer(p, "main"), false); err == nil || !strings.Contains(err.Error(), "has no decision record") {
			t.Errorf("with %s: %v", key, err)
		}
	}
}

// A pod starts while no agent runs, to escape a denial that always holds. The wrapper
// refuses it; earlier it took CRI-O's containers for ones outside Kubernetes.
func TestAttackAgentStoppedUnderCRIO(t *testing.T) {
	c := newCRIO(t)
	c.startAgent()
	before := c.newContainer(c.pod("team-a"), "main")
	it.Must(t, c.create(before, false))
	c.stopAgent()
	ctr := c.newContainer(c.pod("team-a"), "main")
	err := c.create(ctr, false)
	if err == nil || !strings.Contains(err.Error(), `nodegate: container "main" of pod team-a/build has no decision record, so its adjustment is not known: see that the nodegate agent runs on this node`) {
		t.Errorf("it was created: %v", err)
	}
	it.Must(t, c.exec(before)) // what ran goes on, as it was adjusted
	it.Must(t, c.create(c.newContainer(c.pod("kube-system"), "main"), false))
}

// TestExecWithoutItsBundle: an exec that cannot be adjusted does not start.
func TestExecWithoutItsBundle(t *testing.T) {
	c := newCRIO(t)
	c.startAgent()
	ctr := c.newContainer(c.pod("team-a"), "main")
	it.Must(t, c.create(ctr, false))
	other := *c
	other.dir = t.TempDir() // another --root
	if err := other.exec(ctr); err == nil || !strings.Contains(err.Error(), "what nodegate changed in it is not known") {
		t.Errorf("exec with another root: %v", err)
	}
}
