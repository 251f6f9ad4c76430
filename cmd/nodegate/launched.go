// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
)

// runLaunched serves the runtime that started this process. The policy is the
// text that the runtime has for the plugin, from conf.d in NRI's own folder, or
// else the agent's usual files. The runtime throws away what such a plugin
// writes to stderr, so errors are returned to it: it logs them.
func runLaunched(ctx context.Context) error {
	var t *teller
	defer func() {
		if t != nil {
			t.close()
		}
	}()
	return plugin.RunLaunched(ctx, func(ctx context.Context, text string) (*plugin.Plugin, error) {
		load := func() (*config.Config, error) { return config.Load(defaultConfig) }
		if text != "" {
			load = func() (*config.Config, error) { return config.Parse("NRI configuration", []byte(text)) }
		}
		c, err := load()
		if err != nil {
			return nil, err
		}
		if err := setUpLog(c); err != nil {
			return nil, err
		}
		log.G(ctx).WithFields(log.Fields{"version": version, "policy": c.Hash}).Info("nodegate starts")
		logWarnings(ctx, c)
		node, err := openNode(ctx, c)
		if err != nil {
			return nil, err
		}
		p := plugin.New(c.Policy, node)
		t = tellOthers(ctx, "", p, node, c) // it does not reload
		return p, nil
	})
}
