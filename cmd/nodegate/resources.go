// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/resource"
)

// newResources makes the agent's side towards the kubelet, whose word about allotted
// units the plugin goes by.
func newResources(c *config.Config, node *plugin.Node) *resource.Server {
	s := resource.New(c.Kubelet.PluginDir, c.State.Dir)
	node.Allotted = func(ctx context.Context, r *policy.Request, profile string, units []string) bool {
		return s.Allotted(ctx, resource.Container{Namespace: r.Namespace, Pod: r.Pod, Name: r.Container}, profile, units)
	}
	return s
}
