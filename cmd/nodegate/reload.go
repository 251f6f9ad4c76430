// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
)

// reloader replaces the plugin's policy when its files change. A policy with
// errors never replaces a good one.
type reloader struct {
	path    string
	plugin  *plugin.Plugin
	node    plugin.Node
	started *config.Config // whose settings hold until the end
	current *config.Config // whose policy holds
}

func (r *reloader) loop(ctx context.Context, reload <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-reload:
			r.reload(ctx)
		}
	}
}

func (r *reloader) reload(ctx context.Context) {
	stats := r.plugin.Stats()
	next, err := config.Load(r.path)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			log.G(ctx).Error(line) // one problem each, with its place
		}
		log.G(ctx).WithFields(log.Fields{
			"policy": r.current.Hash, "failed_reloads": stats.ReloadFailures.Add(1),
		}).Error("the new policy has errors; the former stays")
		return
	}
	if next.Hash == r.current.Hash {
		log.G(ctx).Debug("the policy has not changed")
		return
	}
	if next.NRI != r.started.NRI || next.State != r.started.State || next.Server != r.started.Server {
		log.G(ctx).Warn("a change to [nri], [state] or [server] takes effect when the agent is started again")
	}
	if err := setUpLog(next); err != nil {
		log.G(ctx).WithError(err).Warn("applying [log]")
	}
	r.plugin.SetPolicy(next.Policy.WithShadowDir(r.started.State.ShadowDir))
	r.current = next
	log.G(ctx).WithFields(log.Fields{
		"policy": next.Hash, "files": next.Files, "audit": next.Policy.Audit(), "reloads": stats.Reloads.Add(1),
	}).Info("policy replaced")
	logWarnings(ctx, next)
	sayConfinement(ctx, r.node, next)
}
