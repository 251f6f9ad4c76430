// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Sandbox is a pod as the runtime lists it.
type Sandbox struct{ ID, Namespace, Name string }

// Sandboxes returns the sandboxes of a namespace that are ready and have these labels, of
// one pod if it is named.
func (c *Client) Sandboxes(ctx context.Context, namespace, pod string, labels map[string]string) ([]Sandbox, error) {
	r, err := c.runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{Filter: &runtimeapi.PodSandboxFilter{
		LabelSelector: labels,
		State:         &runtimeapi.PodSandboxStateValue{State: runtimeapi.PodSandboxState_SANDBOX_READY}}})
	if err != nil {
		return nil, answered("its pods", err)
	}
	var out []Sandbox
	for _, s := range r.GetItems() {
		m := s.GetMetadata()
		if m.GetNamespace() == namespace && (pod == "" || m.GetName() == pod) {
			out = append(out, Sandbox{ID: s.GetId(), Namespace: m.GetNamespace(), Name: m.GetName()})
		}
	}
	return out, nil
}
