// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// SystemdImage is hack/images' Debian with systemd.
const SystemdImage = "systemd"

// Boot runs a system and returns at once; state waits for it.
func Boot(t *testing.T, n *node.Node, pod node.PodConfig, c node.ContainerConfig) *node.Container {
	t.Helper()
	c.Image = ImportImage(t, n, SystemdImage)
	return Run(t, n, pod, c)
}

// State is what a system says of itself when it is up, with the units that failed.
func State(t *testing.T, c *node.Container) string {
	t.Helper()
	return Sh(t, c, "until systemctl -q is-active sysinit.target; do sleep 0.1; done 2>/dev/null; systemctl is-system-running --wait; systemctl --failed --no-legend --plain")
}

// ImportImage gives the node an image of hack/images.
func ImportImage(t *testing.T, n *node.Node, name string) string {
	t.Helper()
	node.Require(t, node.Options{}, name)
	image, err := n.Import(t.Context(), name)
	Must(t, err)
	return image
}

// Sh runs a script in the container and returns what it prints, errors at the end.
func Sh(t *testing.T, c *node.Container, script string) string {
	t.Helper()
	r, err := c.Exec(t.Context(), "sh", "-c", script)
	Must(t, err)
	return strings.TrimSpace(r.Stdout + r.Stderr)
}
