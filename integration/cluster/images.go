// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/client"

	"github.com/nodegate/nodegate/integration/node"
)

// Import gives the node an image of hack/images and returns its name.
func (c *Cluster) Import(ctx context.Context, name string) (string, error) {
	return node.ImageName(name), c.ImportFile(ctx, filepath.Join(c.options.BinDir, "images", name+".tar"))
}

// ImportFile gives the node the images in an archive, under the names that it has.
func (c *Cluster) ImportFile(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.importImages(ctx, f); err != nil {
		return fmt.Errorf("importing %s: %w", name, err)
	}
	return nil
}

// Tag gives an image of the node one more name.
func (c *Cluster) Tag(ctx context.Context, name, other string) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	image, err := conn.ImageService().Get(ctx, name)
	if err != nil {
		return fmt.Errorf("naming an image: %w", err)
	}
	image.Name = other
	_, err = conn.ImageService().Create(ctx, image)
	return err
}

func (c *Cluster) importProbe(ctx context.Context) error {
	var image bytes.Buffer
	if err := node.WriteProbeImage(&image, filepath.Join(c.options.BinDir, "probe")); err != nil {
		return err
	}
	return c.importImages(ctx, &image)
}

func (c *Cluster) importImages(ctx context.Context, r io.Reader) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	images, err := conn.Import(ctx, r)
	if err != nil {
		return err
	}
	for _, i := range images {
		if err := client.NewImage(conn, i).Unpack(ctx, ""); err != nil {
			return fmt.Errorf("unpacking %s: %w", i.Name, err)
		}
	}
	return nil
}

func (c *Cluster) connect() (*client.Client, error) {
	return client.New(c.machine.path(c.socket()), client.WithDefaultNamespace("k8s.io"))
}
