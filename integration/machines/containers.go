// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/client"

	"github.com/nodegate/nodegate/integration/node"
)

// importConfig is a containerd that only keeps images.
const importConfig = `version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images", "io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]
`

// importImages fills the containerd of a machine with images, by a containerd that runs
// here: unpacking them there takes minutes.
func (b *builder) importImages(ctx context.Context, store string) (err error) {
	tmp, err := os.MkdirTemp("", "nodegate-import-")
	if err != nil {
		return fmt.Errorf("importing container images: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	config, socket := filepath.Join(tmp, "config.toml"), filepath.Join(tmp, "s")
	if err := os.WriteFile(config, []byte(importConfig), 0o600); err != nil {
		return fmt.Errorf("importing container images: %w", err)
	}
	program := filepath.Join(b.bin, "containerd-"+b.system.containerd(), "containerd")
	cmd := exec.Command(program, "--config", config, "--address", socket, "--root", store, "--state", filepath.Join(tmp, "state"))
	defer held(cmd)() // it mounts what it unpacks
	containerd, err := node.StartProcess("containerd", cmd, filepath.Join(tmp, "log"))
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		err = errors.Join(err, containerd.Stop(ctx))
	}()
	var c *client.Client
	connected := func() bool {
		c, err = client.New(socket, client.WithDefaultNamespace("k8s.io"), client.WithTimeout(time.Second))
		return err == nil
	}
	if err := containerd.WaitFor(ctx, "an answer", connected); err != nil {
		return err
	}
	defer c.Close()
	var probe bytes.Buffer
	if err := node.WriteProbeImage(&probe, filepath.Join(b.bin, "probe")); err != nil {
		return err
	}
	if err := importImage(ctx, c, &probe); err != nil {
		return err
	}
	for _, name := range containerImages {
		f, err := os.Open(filepath.Join(b.bin, "images", name+".tar"))
		if err != nil {
			return fmt.Errorf("importing a container image: %w", err)
		}
		err = importImage(ctx, c, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func importImage(ctx context.Context, c *client.Client, archive io.Reader) error {
	images, err := c.Import(ctx, archive)
	if err != nil {
		return fmt.Errorf("importing a container image: %w", err)
	}
	for _, i := range images {
		if err := client.NewImage(c, i).Unpack(ctx, ""); err != nil {
			return fmt.Errorf("unpacking container image %q: %w", i.Name, err)
		}
	}
	return nil
}
