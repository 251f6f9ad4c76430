// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

const runtimeLimit = 5 * time.Second

// runtime asks the runtime who it is, and finds out which process that is.
func (g *gatherer) runtime(ctx context.Context) Told[Runtime] {
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
	if g.pid, err = peer(ctx, strings.TrimPrefix(endpoint, "unix://")); err != nil {
		return unknown[Runtime](why(err))
	}
	return toldOr(ask(ctx, endpoint, client))
}

// peer returns the id of the process that listens at a socket, as this process
// numbers it: 0 if it does not see it.
func peer(ctx context.Context, socket string) (int, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	if ctl := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); ctl != nil || err != nil {
		return 0, errors.Join(ctl, err)
	}
	return int(cred.Pid), nil
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
