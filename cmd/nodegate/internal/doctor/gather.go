// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/host"
)

// Options say where to look.
type Options struct {
	Policy        string // path of the policy
	Endpoint      string // the runtime's CRI socket; "" to look for it
	WrapperConfig string // path of runc.toml, on the node
	Version       string // of this program
}

const needsRoot = "needs root"

// gatherer is what the gathering of one fact needs of others.
type gatherer struct {
	Options
	config *config.Config // the defaults if the policy does not load
	node   *host.Host     // the node's files
	view   view           // as containerd sees them
	pid    int            // of containerd, 0 if it cannot be told
	// started is when it made its socket, which it does at each start; zero if that is not
	// seen.
	started time.Time
}

// Gather gathers the facts. Only what keeps it from looking at all is an error.
func Gather(ctx context.Context, o Options) (*Facts, error) {
	g := &gatherer{Options: o}
	c, problem := config.Load(o.Policy)
	if problem != nil {
		var err error
		if c, err = config.Parse("defaults", []byte("version = 1\n")); err != nil {
			return nil, err
		}
	}
	g.config = c
	var err error
	if g.node, err = host.New(c.State.HostRoot, c.State.ShadowDir); err != nil {
		return nil, err
	}
	defer func() { _ = g.node.Close() }()

	f := &Facts{}
	f.Runtime = g.runtime(ctx)
	g.view = g.seenBy(g.pid)
	defer g.view.close()
	f.Containerd = g.configured(ctx, f.Runtime)
	f.NRI = g.nriSocket()
	f.Kernel = g.kernel()
	f.Cgroup = g.cgroup()
	f.OpenFiles = g.openFiles()
	f.Policy = g.policy(problem, f.Runtime)
	f.Shadows, f.Confined = g.shadows()
	f.Agent = g.agent(ctx)
	f.Wrapper = g.wrapper(ctx, handlers(f))
	f.Resources = g.resources(f)
	f.OCIRuntime = g.ociRuntime(ctx, f)
	f.Sizes = g.sizes(ctx, f.Runtime)
	return f, nil
}

// handlers are those of the running containerd, or else those of its files.
func handlers(f *Facts) map[string]Handler {
	if f.Runtime.OK() && f.Runtime.Value.Handlers != nil {
		return f.Runtime.Value.Handlers
	}
	return f.Containerd.Value.Handlers
}

// defaultHandler is what "" stands for.
func defaultHandler(f *Facts) string {
	if f.Runtime.OK() && f.Runtime.Value.Default != "" {
		return f.Runtime.Value.Default
	}
	return f.Containerd.Value.Default
}

// why says why something cannot be told: mostly because it takes root.
func why(err error) string {
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		return needsRoot
	}
	return err.Error()
}
