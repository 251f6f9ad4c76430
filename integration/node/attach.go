// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Attach returns a node whose containerd is somebody else's, a unit of systemd's for
// example: it runs in the caller's namespaces, with its socket and state in
// /run/containerd. Close ends the pods, and leaves containerd and the image there.
// Containerd is nil for such a node, and RestartContainerd is not to be called.
func Attach(ctx context.Context, o Options) (*Node, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{options: o, pods: map[string]*Pod{}}
	if err := n.attach(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("attaching to containerd: %w", err), n.Close())
	}
	return n, nil
}

func (n *Node) attach(ctx context.Context) error {
	if err := n.makeDirs(); err != nil {
		return err
	}
	n.socket, n.state = "/run/containerd/containerd.sock", "/run/containerd"
	if err := n.connect(); err != nil {
		return err
	}
	if err := n.WaitReady(ctx); err != nil {
		return err
	}
	return n.importProbe(ctx)
}

// WaitReady returns when containerd is ready for pods, also after somebody restarted it.
func (n *Node) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !n.ready(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for containerd to be ready: %w", context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
