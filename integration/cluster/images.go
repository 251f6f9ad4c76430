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
func (n *Node) Import(ctx context.Context, name string) (string, error) {
	return node.ImageName(name), n.ImportFile(ctx, filepath.Join(n.options.BinDir, "images", name+".tar"))
}

// ImportFile gives the node the images in an archive, under the names that it has.
func (n *Node) ImportFile(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := n.importImages(ctx, f); err != nil {
		return fmt.Errorf("importing %s: %w", name, err)
	}
	return nil
}

// Tag gives an image of the node one more name.
func (n *Node) Tag(ctx context.Context, name, other string) error {
	conn, err := n.connect()
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

func (n *Node) importProbe(ctx context.Context) error {
	var image bytes.Buffer
	if err := node.WriteProbeImage(&image, filepath.Join(n.options.BinDir, "probe")); err != nil {
		return err
	}
	return n.importImages(ctx, &image)
}

func (n *Node) importImages(ctx context.Context, r io.Reader) error {
	conn, err := n.connect()
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

func (n *Node) connect() (*client.Client, error) {
	return client.New(n.machine.path(n.socket()), client.WithDefaultNamespace("k8s.io"))
}
