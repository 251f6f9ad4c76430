// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ProbePath is the test image's only program inside the image.
const ProbePath = "/probe"

// annotationImageName is the full name that containerd imports an index entry under.
const annotationImageName = "io.containerd.image.name"

// WriteImage writes an image with one static program as an OCI layout in a tar
// archive. The program is the entrypoint and "pause" its default argument.
func WriteImage(w io.Writer, program, name string) error {
	binary, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("reading the image's program: %w", err)
	}
	layer, err := archive([]entry{{path: "probe", mode: 0o755, content: binary}, {path: "tmp/", mode: 0o1777}, {path: "etc/", mode: 0o755}})
	if err != nil {
		return err
	}
	blobs := []entry{}
	put := func(mediaType string, content []byte) ocispec.Descriptor {
		d := digest.FromBytes(content)
		blobs = append(blobs, entry{path: "blobs/sha256/" + d.Encoded(), mode: 0o644, content: content})
		return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
	}
	layerDesc := put(ocispec.MediaTypeImageLayer, layer)
	config, err := json.Marshal(ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Config:   ocispec.ImageConfig{Entrypoint: []string{ProbePath}, Cmd: []string{"pause"}, WorkingDir: "/", Env: []string{"PATH=/"}},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layerDesc.Digest}},
	})
	if err != nil {
		return fmt.Errorf("encoding the image's configuration: %w", err)
	}
	manifest, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    put(ocispec.MediaTypeImageConfig, config),
		Layers:    []ocispec.Descriptor{layerDesc},
	})
	if err != nil {
		return fmt.Errorf("encoding the image's manifest: %w", err)
	}
	top := put(ocispec.MediaTypeImageManifest, manifest)
	top.Annotations = map[string]string{annotationImageName: name}
	index, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{top}})
	if err != nil {
		return fmt.Errorf("encoding the image's index: %w", err)
	}
	whole, err := archive(append([]entry{
		{path: ocispec.ImageLayoutFile, mode: 0o644, content: []byte(`{"imageLayoutVersion":"` + ocispec.ImageLayoutVersion + `"}`)},
		{path: ocispec.ImageIndexFile, mode: 0o644, content: index},
	}, blobs...))
	if err != nil {
		return err
	}
	if _, err := w.Write(whole); err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	return nil
}

// entry is a file of an archive, or a directory if its path ends with a slash.
type entry struct {
	path    string
	mode    int64
	content []byte
}

// archive is the same bytes for the same entries: it holds no time and no owner.
func archive(entries []entry) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		kind := byte(tar.TypeReg)
		if e.path[len(e.path)-1] == '/' {
			kind = tar.TypeDir
		}
		header := &tar.Header{Typeflag: kind, Name: e.path, Mode: e.mode, Size: int64(len(e.content)), ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("archiving %q: %w", e.path, err)
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, fmt.Errorf("archiving %q: %w", e.path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("archiving: %w", err)
	}
	return buf.Bytes(), nil
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
	service := runtimeapi.NewImageServiceClient(n.conn)
	for {
		r, err := service.ImageStatus(ctx, &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: name}})
		if err != nil {
			return "", fmt.Errorf("looking for image %q: %w", name, err)
		}
		if r.GetImage() != nil {
			return r.GetImage().GetId(), nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for image %q in the CRI: %w", name, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
