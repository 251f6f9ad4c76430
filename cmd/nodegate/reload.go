// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/auditlog"
	"github.com/nodegate/nodegate/plugin/resource"
	"github.com/nodegate/nodegate/plugin/serve"
)

// reloader replaces the plugin's policy when its files change. A policy with
// errors never replaces a good one.
type reloader struct {
	path      string
	plugin    *plugin.Plugin
	node      plugin.Node
	audit     *auditlog.Log
	resources *resource.Server
	started   *config.Config // whose settings hold until the end
	current   *config.Config // whose policy holds

	mu   sync.Mutex
	says serve.Policy // of current, and why the files are not it
}

func newReloader(path string, p *plugin.Plugin, node plugin.Node, audit *auditlog.Log, c *config.Config) *reloader {
	return &reloader{path: path, plugin: p, node: node, audit: audit, started: c, current: c, says: policyOf(c)}
}

// policyOf describes a policy that holds from now on.
func policyOf(c *config.Config) serve.Policy {
	mode := "enforce"
	if c.Policy.Audit() {
		mode = "audit"
	}
	p := serve.Policy{Hash: c.Hash, Mode: mode, LoadedAt: time.Now()}
	for _, name := range c.Files {
		if abs, err := filepath.Abs(name); err == nil {
			name = abs // who reads it is somewhere else
		}
		p.Files = append(p.Files, name)
	}
	return p
}

// status tells which policy holds.
func (r *reloader) status() serve.Policy {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.says
}

func (r *reloader) say(p serve.Policy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.says = p
}

// failed remembers why the files do not hold; nil is that they do.
func (r *reloader) failed(err error) {
	p := r.status()
	p.Failed, p.FailedAt = "", time.Time{}
	if err != nil {
		p.Failed, p.FailedAt = err.Error(), time.Now()
	}
	r.say(p)
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
	r.failed(err)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			log.G(ctx).Error(line) // one problem each, with its place
		}
		log.G(ctx).WithFields(log.Fields{
			"policy": r.current.Hash, "failed_reloads": stats.ReloadFailures.Add(1),
		}).Error("the new policy has errors; the former one stays in force")
		return
	}
	if next.Hash == r.current.Hash {
		log.G(ctx).Debug("the policy has not changed")
		return
	}
	if next.NRI != r.started.NRI || next.State != r.started.State || next.Kubelet != r.started.Kubelet || !slices.Equal(next.Server.Listen, r.started.Server.Listen) {
		log.G(ctx).Warn("a change to [nri], [state], [kubelet] or [server] takes effect when the agent is started again")
	}
	if err := setUpLog(next); err != nil {
		log.G(ctx).WithError(err).Warn("cannot apply [log]")
	}
	r.plugin.SetPolicy(ctx, next.Policy.WithShadowDir(r.started.State.ShadowDir))
	r.audit.To(next.Log.Audit)
	r.resources.Check()
	r.current = next
	r.say(policyOf(next))
	log.G(ctx).WithFields(log.Fields{
		"policy": next.Hash, "files": next.Files, "audit": next.Policy.Audit(), "reloads": stats.Reloads.Add(1),
	}).Info("policy replaced")
	logWarnings(ctx, next)
	sayConfinement(ctx, r.node, next)
	next.Forget()
	releaseMemory()
}
