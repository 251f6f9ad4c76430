// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"time"

	"github.com/containerd/log"
	"github.com/containerd/nri/pkg/stub"
	"golang.org/x/sys/unix"
)

// How long the agent waits before it tries to connect again. While it is not
// connected, containers are created without it, so it does not wait long.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second
)

// Endpoint says where and as what the agent registers.
type Endpoint struct {
	Socket string // the runtime's NRI socket
	Index  string // two digits: the plugin's place among others
}

// Run keeps the plugin registered until ctx ends, through restarts of the
// runtime. It ends between two requests and then returns nil.
func (p *Plugin) Run(ctx context.Context, to Endpoint) error {
	wait := firstRetry
	said := ""
	var ended ends
	for {
		started := time.Now()
		err := p.connect(ctx, to)
		if ctx.Err() != nil {
			return nil
		}
		unlisted := errors.Is(err, errUnlisted)
		if unlisted {
			p.stats.RegistrationFailures.Add(1)
		} else if time.Since(started) > lastRetry {
			wait, said = firstRetry, "" // it had been connected
			ended.times = 0
		}
		// A runtime that stays away is worth one line, not one a second.
		msg := err.Error()
		p.unregistered(msg)
		if errors.Is(err, errAgain) {
			log.G(ctx).Info(msg)
			continue
		}
		if msg != said {
			log.G(ctx).WithError(err).WithField("socket", to.Socket).Warn("not connected to the runtime; retrying")
			said = msg
		}
		rest := ended.rest(err)
		if rest > 0 {
			log.G(ctx).Warnf("the runtime ends whenever it lists its pods: it is left alone for %v, in which it can remove those that are too large", rest)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(wait, rest)):
		}
		wait = min(2*wait, lastRetry)
	}
}

// connect serves one connection and returns when it ends, always with an
// error that says why.
func (p *Plugin) connect(ctx context.Context, to Endpoint) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", to.Socket)
	if err != nil {
		return fmt.Errorf("connecting to NRI: %w%s", err, absent(err))
	}
	defer func() { _ = conn.Close() }() // the stub closes it as well
	if err := p.node.Records.LabelLike(path.Dir(to.Socket)); err != nil {
		log.G(ctx).WithError(err).Warn("a policy of SELinux may keep nodegate-runc from reading decision records: it refuses its containers then")
	}
	c := &connection{Plugin: p, pid: Peer(conn)}
	return c.serve(ctx, stub.WithPluginName(Name), stub.WithPluginIdx(to.Index), stub.WithConnection(conn))
}

// absent says what to look at where nobody listens: a runtime without NRI looks like one
// that does not run.
func absent(err error) string {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return ": is NRI switched on, in a containerd of 1.7 or later that runs? (nodegate install does that)"
	}
	return ""
}
