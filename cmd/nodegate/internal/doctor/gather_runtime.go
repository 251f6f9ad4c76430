// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

const runtimeLimit = 5 * time.Second

// runtime asks the runtime who it is, and finds out which process that is.
func (g *gatherer) runtime(ctx context.Context) Fact[Runtime] {
	endpoint, err := g.Endpoint, error(nil)
	if endpoint == "" {
		endpoint, err = cri.Find(g.config.State.HostRoot)
	}
	if err != nil {
		return unknown[Runtime](why(err))
	}
	client, err := cri.Connect(endpoint)
	if err != nil {
		return unknown[Runtime](why(err))
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, runtimeLimit)
	defer cancel()
	if err := g.listens(ctx, strings.TrimPrefix(endpoint, "unix://")); err != nil {
		return unknown[Runtime](why(err))
	}
	return factOr(ask(ctx, endpoint, client))
}

// listens notes which process listens at the runtime's socket, and since when.
func (g *gatherer) listens(ctx context.Context, socket string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing was written
	g.pid = plugin.Peer(conn)
	if info, err := os.Stat(socket); err == nil {
		g.started = info.ModTime()
	}
	return nil
}

func ask(ctx context.Context, endpoint string, client *cri.Client) (r Runtime, err error) {
	r.Endpoint, r.does = endpoint, runtimes.Unknown()
	if r.Name, r.Version, err = client.Version(ctx); err != nil {
		return r, err
	}
	if known, err := runtimes.Parse(r.Name + "/" + r.Version); err == nil {
		r.NRI, r.Known, r.DeliversAll = known.String(), runtimes.Rows(r.Name) != nil, known.Has(change.AllUses())
		r.does = known
	} else {
		r.NRI = fmt.Sprintf("%s %s (NRI unknown)", r.Name, r.Version)
	}
	r.Status, err = client.Status(ctx)
	return r, err
}
