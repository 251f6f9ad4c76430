// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"maps"
	"testing"
)

// A trial answers for its pod alone, by the trial's requests and not the pod's, and the
// node's agent, which would refuse the pod or give it something else, stands by.
func TestTrial(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	agent, tries := newTestPlugin(t, dir), newTestPlugin(t, dir)
	of := &trial{plugin: tries, of: Trial{Namespace: "ci", Pod: "p", Requests: map[string]string{"profiles.nodegate.dev": "ping"}}}

	other := testPod("ping")
	other.Name = "q"
	if adjust, _, err := of.CreateContainer(t.Context(), other, testContainer("other")); adjust != nil || err != nil {
		t.Errorf("another pod gets %v, %v", adjust, err)
	}
	if err := of.StartContainer(t.Context(), other, testContainer("other")); err != nil {
		t.Errorf("another pod is refused its start: %v", err)
	}
	if got := tries.recorded(t); len(got) > 0 {
		t.Errorf("another pod has records: %q", got)
	}

	ctr := testContainer("c1")
	adjust, _, err := of.CreateContainer(t.Context(), testPod("no-such-profile"), ctr)
	if err != nil || adjust == nil {
		t.Fatalf("the pod gets %v, %v", adjust, err)
	}
	ctr.Annotations = maps.Clone(adjust.GetAnnotations())
	if adjust, _, err := agent.CreateContainer(t.Context(), testPod("no-such-profile"), ctr); adjust != nil || err != nil {
		t.Errorf("the agent answers %v, %v", adjust, err)
	}
	if err := of.StartContainer(t.Context(), testPod("no-such-profile"), ctr); err != nil {
		t.Errorf("the pod is refused its start: %v", err)
	}
	if err := of.RemoveContainer(t.Context(), testPod(""), ctr); err != nil || len(tries.recorded(t)) > 0 {
		t.Errorf("after the container: %v, records %q", err, tries.recorded(t))
	}

	// Without a request the pod asks for nothing, whatever it says itself.
	of.of.Requests = nil
	if adjust, _, err := of.CreateContainer(t.Context(), testPod("ping"), testContainer("c2")); adjust != nil || err != nil {
		t.Errorf("a pod that is to get nothing gets %v, %v", adjust, err)
	}
}
