// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/host"
)

// sayConfinement logs what the policy grants and this node cannot give: a node
// that is a container itself has only what it was given.
func sayConfinement(ctx context.Context, node plugin.Node, c *config.Config) {
	var confined *host.ConfinedError
	if !errors.As(node.Host.Confinement(node.Shadows, c.Policy.Needs()), &confined) {
		return
	}
	entry := log.G(ctx).WithField("remedy", confined.Remedy())
	switch alone := confined.AgentAlone; {
	case !alone.OK:
		entry.Info(confined) // as any agent in a pod would say
	case alone.Value:
		log.G(ctx).Debug(confined)
	default:
		entry.Warn(confined)
	}
}
