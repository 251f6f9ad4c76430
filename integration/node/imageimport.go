// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ImageName is the full name of an image that `make images` builds.
func ImageName(name string) string { return "docker.io/local/" + name + ":1" }

func (o Options) imageArchive(name string) string {
	return filepath.Join(o.BinDir, "images", name+".tar")
}

// checkImages says which of the images is not built.
func (o Options) checkImages(names []string) error {
	for _, name := range names {
		if _, err := os.Stat(o.imageArchive(name)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("image %q is not built: run make images", name)
		} else if err != nil {
			return fmt.Errorf("looking for image %q: %w", name, err)
		}
	}
	return nil
}

// Import gives the node an image of hack/images and returns the name that containers are
// run from. An image that it has already costs nothing.
func (n *Node) Import(ctx context.Context, name string) (string, error) {
	full := ImageName(name)
	if id, err := n.imageID(ctx, full); err != nil || id != "" {
		return full, err
	}
	if err := n.options.checkImages([]string{name}); err != nil {
		return "", err
	}
	f, err := os.Open(n.options.imageArchive(name))
	if err != nil {
		return "", fmt.Errorf("opening image %q: %w", name, err)
	}
	defer f.Close()
	_, err = n.ImportImage(ctx, f, full)
	return full, err
}

// ImportImage gives the node an image from an OCI layout in a tar archive and returns
// its id when the CRI knows the image, which it learns from an event some time later.
func (n *Node) ImportImage(ctx context.Context, r io.Reader, name string) (string, error) {
	images, err := n.client.Import(ctx, r)
	if err != nil {
		return "", fmt.Errorf("importing image %q: %w", name, err)
	}
	for _, i := range images {
		if err := client.NewImage(n.client, i).Unpack(ctx, ""); err != nil {
			return "", fmt.Errorf("unpacking image %q: %w", name, err)
		}
	}
	for {
		if id, err := n.imageID(ctx, name); err != nil || id != "" {
			return id, err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for image %q in the CRI: %w", name, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// imageID is what the CRI calls an image, or "" while it does not know it.
func (n *Node) imageID(ctx context.Context, name string) (string, error) {
	r, err := runtimeapi.NewImageServiceClient(n.conn).ImageStatus(ctx, &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: name}})
	if err != nil {
		return "", fmt.Errorf("looking for image %q: %w", name, err)
	}
	return r.GetImage().GetId(), nil
}

// importProbe gives the node the test image, whose program sleeps where it is told nothing.
func (n *Node) importProbe(ctx context.Context) error {
	var image bytes.Buffer
	if err := WriteProbeImage(&image, n.options.probe()); err != nil {
		return err
	}
	var err error
	n.image, err = n.ImportImage(ctx, &image, Image)
	return err
}

// WriteProbeImage writes the test image of a built probe, as an OCI layout in a tar
// archive.
func WriteProbeImage(w io.Writer, program string) error {
	layer, err := probeLayer(program)
	if err != nil {
		return err
	}
	config := ocispec.ImageConfig{Entrypoint: []string{ProbePath}, Cmd: []string{"pause"}, WorkingDir: "/", Env: []string{"PATH=/"}}
	return WriteImage(w, Image, config, layer)
}
