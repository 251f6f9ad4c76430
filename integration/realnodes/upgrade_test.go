// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// upgrade sees that an upgrade is two commands: pods that run go on, also below the wrapper
// that was replaced, and the new agent knows them.
func (m *machine) upgrade() {
	m.inside("before")
	const next = "/root/next"
	// Another file, and the same program.
	m.sh("cp -r " + programs + " " + next + " && echo >>" + next + "/nodegate && echo >>" + next + "/nodegate-runc")
	agent := m.sh("systemctl show nodegate -p MainPID --value")
	containerd := m.sh("systemctl show containerd -p MainPID --value")
	m.sh(next + "/nodegate install")
	m.sh("cmp " + next + "/nodegate /usr/local/bin/nodegate && cmp " + next + "/nodegate-runc /usr/local/bin/nodegate-runc")
	if now := m.sh("systemctl show nodegate -p MainPID --value"); now != agent {
		m.Error("the agent was restarted, which docs/install.md leaves to the administrator")
	}
	m.sh("systemctl restart nodegate && nodegate status --strict")
	if running := m.sh("cmp /proc/$(systemctl show nodegate -p MainPID --value)/exe " + next + "/nodegate && echo same"); running != "same" {
		m.Errorf("another program runs: %s", running)
	}
	if now := m.sh("systemctl show containerd -p MainPID --value"); now != containerd {
		m.Error("containerd was restarted")
	}
	if said := m.sh("nodegate status"); !strings.Contains(said, "of which 1 adjusted and 0 outdated") {
		m.Errorf("the new agent does not know the pod: %s", said)
	}
	if said := m.sh(next + "/nodegate install"); said != "nothing to do" {
		m.Errorf("installed again: %s", said)
	}
	m.inside("after")
	m.nothingLeft()
}

// upgradedPods asks the pod from before, by the new wrapper.
func upgradedPods(t *testing.T) {
	n := attach(t)
	containers, err := n.CRI().ListContainers(t.Context(), &runtimeapi.ListContainersRequest{})
	it.Must(t, err)
	for _, c := range containers.GetContainers() {
		r, err := n.CRI().ExecSync(t.Context(), &runtimeapi.ExecSyncRequest{ContainerId: c.GetId(), Cmd: []string{node.ProbePath, "open", "/dev/fuse", "rw"}})
		it.Must(t, err)
		if got := string(r.GetStdout()); got != "ok\n" {
			t.Errorf("a process in the pod from before: %q", got)
		}
	}
	if removed := removeAll(t, n); removed != 1 {
		t.Errorf("%d pods were there", removed)
	}
}
