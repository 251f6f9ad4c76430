// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// systemContainer is the container whose program is systemd.
const systemContainer = "init"

// importSystem gives the node the image of a system, or returns "" where none is built.
func importSystem(ctx context.Context, n *node.Node, bin string) (string, error) {
	if !exists(filepath.Join(bin, "images", "systemd.tar")) {
		say("no image of a Debian system is built here: leaving out systemd")
		return "", nil
	}
	say("importing a Debian system")
	return n.Import(ctx, "systemd")
}

// boot runs a system and says what became of it.
func (s scenario) boot(ctx context.Context, p *node.Pod) (string, error) {
	c, err := p.RunContainer(ctx, node.ContainerConfig{Name: systemContainer, Image: s.system, Seccomp: node.SeccompRuntimeDefault})
	var refused *node.EventError
	if errors.As(err, &refused) { // a machine that has no cgroups to delegate
		return "refused", nil
	}
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		soon, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		code, err := c.Wait(soon)
		stop()
		switch {
		case err == nil:
			return fmt.Sprintf("exits (%d)", code), nil
		case ctx.Err() != nil:
			return "", fmt.Errorf("waiting for a system: %w", ctx.Err())
		}
		// It fails until systemd listens, and when the container has just ended.
		r, err := c.Exec(ctx, "systemctl", "is-system-running", "--wait")
		if state := strings.TrimSpace(r.Stdout); err == nil && (state == "running" || state == "degraded") {
			return state, nil
		}
	}
}
