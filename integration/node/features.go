// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// checkUserNamespaces fails as the kubelet does (pkg/kubelet/userns) where the runtime
// does not say that a handler has user namespaces. containerd 1.7 does not: it would take
// the mappings, and its meaning of them is not today's.
func (n *Node) checkUserNamespaces(ctx context.Context, handler string) error {
	r, err := n.cri.Status(ctx, &runtimeapi.StatusRequest{})
	if err != nil {
		return fmt.Errorf("asking for the runtime's features: %w", err)
	}
	refusal := errors.New("can't set `spec.hostUsers: false`, runtime does not support user namespaces")
	if handler != "" {
		refusal = fmt.Errorf("can't set `spec.hostUsers: false`, RuntimeClass handler %q does not support user namespaces", handler)
	}
	for _, h := range r.GetRuntimeHandlers() {
		switch {
		case h.GetName() != handler:
		case h.GetFeatures().GetUserNamespaces():
			return nil
		default:
			return refusal
		}
	}
	return fmt.Errorf("%w: the handler %q is not known", refusal, handler)
}
