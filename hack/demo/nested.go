// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nodegate/nodegate/integration/node"
)

// innerContainer is the container that runs a container.
const innerContainer = "engine"

// wrappedHandler is the runtime handler of nodegate-runc: what nested needs, NRI alone
// does not carry.
const wrappedHandler = "nodegate"

// runInner makes a bundle of the probe and runs it, and prints why it could not.
const runInner = `mkdir -p /b/rootfs && cp /probe /b/rootfs/ && cd /b && /runc spec &&
sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"\/probe","id"/' config.json && /runc run inner`

// engine runs a container in a container of the system's image, and says what became
// of it.
func (s scenario) engine(ctx context.Context, p *node.Pod) (string, error) {
	c, err := p.RunContainer(ctx, node.ContainerConfig{Name: innerContainer, Image: s.system, Command: []string{node.ProbePath, "pause"},
		Seccomp: node.SeccompRuntimeDefault, Mounts: []node.Mount{
			{HostPath: filepath.Join(s.bin, "probe"), ContainerPath: node.ProbePath, ReadOnly: true},
			{HostPath: filepath.Join(s.bin, "runc"), ContainerPath: "/runc", ReadOnly: true},
		}})
	var refused *node.EventError
	if errors.As(err, &refused) { // e.g. no cgroups to delegate, or a clone on a file system without id-mapped mounts
		say("the container for a container is refused here: %s", refused.Message)
		return "refused", nil
	}
	if err != nil {
		return "", err
	}
	r, err := c.Exec(ctx, "sh", "-c", runInner)
	switch {
	case err != nil:
		return "", err
	case r.Code == 0 && strings.Contains(r.Stdout, `"uid":0`):
		return "runs", nil
	case strings.Contains(strings.ToLower(r.Stderr), "operation not permitted"):
		return "EPERM", nil
	default:
		return "", fmt.Errorf("running a container in a container: %s", r.Stderr)
	}
}

// wrapperConfig is the file that make built into the demo's nodegate-runc.
func wrapperConfig(bin string) string { return filepath.Join(bin, "demo-runc.toml") }

// configureWrapper tells nodegate-runc where the records of the node's agent are.
func configureWrapper(bin, state string) error {
	text := fmt.Sprintf("version = 1\npath = %q\nstate_dir = %q\n", filepath.Join(bin, "runc"), state)
	if err := os.WriteFile(wrapperConfig(bin), []byte(text), 0o644); err != nil {
		return fmt.Errorf("configuring the wrapper: %w", err)
	}
	return nil
}
