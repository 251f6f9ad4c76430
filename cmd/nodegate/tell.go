// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/auditlog"
	"github.com/nodegate/nodegate/plugin/serve"
)

// teller is what tells others of the plugin's work: the audit log, and the
// server that is asked.
type teller struct {
	reloader *reloader
	audit    *auditlog.Log
	end      context.CancelFunc
	served   chan struct{} // closed when the server's socket is gone
}

// tellOthers starts telling. It is for before the plugin runs.
func tellOthers(ctx context.Context, path string, p *plugin.Plugin, node plugin.Node, c *config.Config) *teller {
	t := &teller{audit: auditlog.Start(ctx), served: make(chan struct{})}
	t.audit.To(c.Log.Audit)
	t.reloader = newReloader(path, p, node, t.audit, c)
	server := serve.New(serve.Agent{Plugin: p, Version: version, Started: time.Now(),
		Policy: t.reloader.status, AuditErrors: t.audit.Errors})
	p.Observe(t.audit.Event)
	ctx, t.end = context.WithCancel(ctx)
	go func() {
		defer close(t.served)
		server.Run(ctx, c.Server.Listen...)
	}()
	return t
}

// close ends it, after the plugin's last request.
func (t *teller) close() {
	t.end()
	<-t.served
	t.audit.Close()
}
