// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/containerd/log"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/record"
)

func runCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent",
		Long: `Registers with the container runtime over its NRI socket and adjusts containers
by the policy until it gets SIGTERM. It reloads the policy on SIGHUP and when
its files change; a policy with errors is logged and does not replace the one
in force. It waits for a runtime that is absent or restarts.

Exits with 0 after SIGTERM or SIGINT, and with 1 if it cannot start, for
example if the policy has errors.`,
		Example: `  nodegate run`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), path) },
	}
	configFlag(cmd, &path)
	return cmd
}

func run(ctx context.Context, path string) error {
	keepSmall()
	// Before it is loaded, so that no change is missed.
	reload := make(chan struct{}, 1)
	unwatched := watch(ctx, path, reload)
	c, err := config.Load(path)
	if err == nil {
		err = unwatched
	}
	if err != nil {
		return err
	}
	if err := setUpLog(c); err != nil {
		return err
	}
	node, err := openNode(ctx, c)
	if err != nil {
		return err
	}
	defer node.Close()
	resources := newResources(c, &node)
	p := plugin.New(c.Policy, node)
	t := tellOthers(ctx, path, p, node, c, resources)
	defer t.close()
	log.G(ctx).WithFields(log.Fields{
		"version": version, "policy": c.Hash, "files": c.Files, "audit": c.Policy.Audit(),
	}).Info("nodegate starts")
	logWarnings(ctx, c)
	c.Forget()
	releaseMemory()

	go t.reloader.loop(ctx, reload)
	go notifyReady(ctx, p)
	return p.Run(ctx, plugin.Endpoint{Socket: c.NRI.Socket, Index: c.NRI.Index})
}

// notifyReady tells systemd, if that is who started the agent, when it is
// registered with the runtime.
func notifyReady(ctx context.Context, p *plugin.Plugin) {
	select {
	case <-ctx.Done():
	case <-p.Ready():
		if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
			log.G(ctx).WithError(err).Warn("cannot tell systemd that the agent is ready")
		}
		releaseMemory() // of the first registration
	}
}

// watch sends on reload when the policy's files change and on SIGHUP.
func watch(ctx context.Context, path string, reload chan<- struct{}) error {
	notify := func() {
		select {
		case reload <- struct{}{}:
		default: // one is waiting already
		}
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, unix.SIGHUP)
	go func() {
		defer signal.Stop(hup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				notify()
			}
		}
	}()
	if err := config.Watch(ctx, path, notify); err != nil {
		return fmt.Errorf("watching the policy: %w", err)
	}
	return nil
}

// openNode prepares the plugin's part of the node.
func openNode(ctx context.Context, c *config.Config) (plugin.Node, error) {
	var node plugin.Node
	var err error
	if node.Host, err = host.New(c.State.HostRoot, c.State.ShadowDir); err != nil {
		return node, err
	}
	if node.Records, err = record.Open(c.State.Dir); err != nil {
		return node, err
	}
	if node.Shadows, err = host.NewShadows(c.State.HostRoot, c.State.ShadowDir); err != nil {
		// An agent that does not start adjusts and refuses nothing at all.
		node.NoShadows = err
		log.G(ctx).WithError(err).Warn("pods with a user namespace that would get a device are refused")
	}
	node.Handlers = handlersOf(c, node.Host)
	sayConfinement(ctx, node, c)
	return node, nil
}

// setUpLog applies [log]. Logs go to stderr.
func setUpLog(c *config.Config) error {
	return errors.Join(
		log.SetLevel(c.Log.Level),
		log.SetFormat(log.OutputFormat(c.Log.Format)),
	)
}
