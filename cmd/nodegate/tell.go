// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"time"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/auditlog"
	"github.com/nodegate/nodegate/plugin/resource"
	"github.com/nodegate/nodegate/plugin/serve"
)

// teller is what tells others of the plugin's work: the audit log, the server that is
// asked, and the kubelet's device plugin.
type teller struct {
	reloader *reloader
	audit    *auditlog.Log
	end      context.CancelFunc
	served   chan struct{} // closed when the sockets are gone
}

// tellOthers starts telling. It is for before the plugin runs.
func tellOthers(ctx context.Context, path string, p *plugin.Plugin, node plugin.Node, c *config.Config, resources *resource.Server) *teller {
	t := &teller{audit: auditlog.Start(ctx), served: make(chan struct{})}
	t.audit.To(c.Log.Audit)
	t.reloader = newReloader(path, p, node, t.audit, c)
	t.reloader.resources = resources
	server := serve.New(serve.Agent{Plugin: p, Version: version, Started: time.Now(),
		Policy: t.reloader.status, AuditErrors: t.audit.Errors, Resources: resources.Status})
	p.Observe(t.audit.Event)
	ctx, t.end = context.WithCancel(ctx)
	go func() {
		defer close(t.served)
		var both sync.WaitGroup
		both.Go(func() { server.Run(ctx, c.Server.Listen...) })
		both.Go(func() { resources.Run(ctx, p.Offers, p.NotReady) })
		both.Wait()
	}()
	return t
}

// close ends it, after the plugin's last request.
func (t *teller) close() {
	t.end()
	<-t.served
	t.audit.Close()
}
