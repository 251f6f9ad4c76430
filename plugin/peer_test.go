// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/nri/pkg/api"
)

// create has a container adjusted and returns it as the next plugin would see it.
func create(t *testing.T, p *Plugin, pod *api.PodSandbox, id string) *api.Container {
	t.Helper()
	ctr := testContainer(id)
	adjust, _, err := p.CreateContainer(t.Context(), pod, ctr)
	if err != nil {
		t.Fatal(err)
	}
	if adjust == nil {
		t.Fatalf("container %q is not adjusted", id)
	}
	ctr.Annotations = maps.Clone(adjust.GetAnnotations())
	return ctr
}

func (p *Plugin) recorded(t *testing.T) []string {
	t.Helper()
	list, err := p.node.Records.List()
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, r := range list {
		ids = append(ids, r.ContainerID)
	}
	return ids
}

// Two agents with one directory of records: the one that is called second stands by,
// and knows afterwards what the pod has been given.
func TestDecidedByPeer(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	first, second := newTestPlugin(t, dir), newTestPlugin(t, dir)
	ctr := create(t, first, testPod("ping"), "c1")
	if adjust, _, err := second.CreateContainer(t.Context(), testPod("ping"), ctr); adjust != nil || err != nil {
		t.Errorf("the second agent answers %v, %v", adjust, err)
	}
	// Even if its own policy would refuse.
	if adjust, _, err := second.CreateContainer(t.Context(), testPod("kvm"), ctr); adjust != nil || err != nil {
		t.Errorf("the second agent answers %v, %v", adjust, err)
	}
	_, _, err := second.CreateContainer(t.Context(), testPod("narrow"), testContainer("c2"))
	if err == nil || !strings.Contains(err.Error(), "net.ipv4.ping_group_range") {
		t.Errorf("a second value for the pod's sysctl, after the first agent gave one: %v", err)
	}
}

// What a new agent knows of the pods that run, it has from the records.
func TestSynchronize(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	old := newTestPlugin(t, dir)
	pod := testPod("ping")
	live, gone := create(t, old, pod, "live"), create(t, old, pod, "gone")

	p := newTestPlugin(t, dir)
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Synchronize(late, nil, nil); err == nil {
		t.Error("synchronized with a runtime that waits no more")
	}
	if got := p.recorded(t); !slices.Equal(got, []string{"gone", "live"}) {
		t.Fatalf("records of %q: swept too late", got)
	}
	if _, err := p.Synchronize(t.Context(), []*api.PodSandbox{pod}, []*api.Container{live}); err != nil {
		t.Fatal(err)
	}
	if got := p.recorded(t); !slices.Equal(got, []string{"live"}) {
		t.Errorf("records of %q, want that of the live container", got)
	}
	if _, _, err := p.CreateContainer(t.Context(), testPod("narrow"), testContainer("next")); err == nil {
		t.Error("another value for a sysctl that the pod has: not refused")
	}
	create(t, p, pod, "same")
	if err := p.RemoveContainer(t.Context(), pod, gone); err != nil {
		t.Error(err)
	}
	if err := p.RemovePodSandbox(t.Context(), pod); err != nil {
		t.Error(err)
	}
	if got := p.recorded(t); len(got) > 0 {
		t.Errorf("records of %q, and the pod is gone", got)
	}
	// Nothing is remembered of a pod that went.
	create(t, p, testPod("narrow"), "new")
	// What is not listed any more, the next synchronization forgets.
	if _, err := p.Synchronize(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	create(t, p, testPod("ping"), "newer")
}
