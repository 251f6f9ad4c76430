// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ProbePath is the test image's only program inside the image.
const ProbePath = "/probe"

// annotationImageName is the full name that containerd imports an index entry under.
const annotationImageName = "io.containerd.image.name"

// WriteImage writes an image of one layer as an OCI layout in a tar archive: the same
// bytes for the same input. The layer is an uncompressed tar of the image's files, and is
// read twice.
func WriteImage(w io.Writer, name string, config ocispec.ImageConfig, layer io.ReadSeeker) error {
	files := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer}
	var err error
	if files.Digest, err = digest.FromReader(layer); err != nil {
		return fmt.Errorf("reading the image's layer: %w", err)
	}
	if files.Size, err = layer.Seek(0, io.SeekCurrent); err != nil {
		return fmt.Errorf("reading the image's layer: %w", err)
	}
	if _, err = layer.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the image's layer: %w", err)
	}
	out := archive{tar.NewWriter(w)}
	if err := out.file(blobPath(files.Digest), files.Size, layer); err != nil {
		return err
	}
	configDesc, err := out.blob(ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Config:   config,
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{files.Digest}},
	})
	if err != nil {
		return err
	}
	top, err := out.blob(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    configDesc,
		Layers:    []ocispec.Descriptor{files},
	})
	if err != nil {
		return err
	}
	top.Annotations = map[string]string{annotationImageName: name}
	if _, err := out.json(ocispec.ImageIndexFile, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{top},
	}); err != nil {
		return err
	}
	if err := out.dockerManifest(name, configDesc, files); err != nil {
		return err
	}
	if _, err := out.json(ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	return nil
}

// dockerManifest is the index of an archive as `docker save` has written it since before
// OCI, and as dockerd before 25 wants it.
func (a archive) dockerManifest(name string, config, layer ocispec.Descriptor) error {
	_, err := a.json("manifest.json", []map[string]any{{
		"Config": blobPath(config.Digest), "RepoTags": []string{name}, "Layers": []string{blobPath(layer.Digest)},
	}})
	return err
}

// probeLayer is the layer of the test image: one static program.
func probeLayer(program string) (io.ReadSeeker, error) {
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("reading the test image's program: %w", err)
	}
	var layer bytes.Buffer
	out := archive{tar.NewWriter(&layer)}
	for _, header := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: ProbePath[1:], Mode: 0o755, Size: int64(len(binary))},
		{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777},
		{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755},
	} {
		if err := out.add(header, bytes.NewReader(binary[:header.Size])); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("writing the test image: %w", err)
	}
	return bytes.NewReader(layer.Bytes()), nil
}

func blobPath(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }

// archive writes entries that hold no time and no owner.
type archive struct{ *tar.Writer }

func (a archive) add(header tar.Header, content io.Reader) error {
	header.ModTime = time.Unix(0, 0)
	if err := a.WriteHeader(&header); err != nil {
		return fmt.Errorf("archiving %q: %w", header.Name, err)
	}
	if _, err := io.Copy(a, content); err != nil {
		return fmt.Errorf("archiving %q: %w", header.Name, err)
	}
	return nil
}

func (a archive) file(path string, size int64, content io.Reader) error {
	return a.add(tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o644, Size: size}, content)
}

// json writes a value to the path, which defaults to that of a blob, and returns its digest.
func (a archive) json(path string, v any) (ocispec.Descriptor, error) {
	content, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("encoding a %T: %w", v, err)
	}
	d := ocispec.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	if path == "" {
		path = blobPath(d.Digest)
	}
	return d, a.file(path, d.Size, bytes.NewReader(content))
}

func (a archive) blob(mediaType string, v any) (ocispec.Descriptor, error) {
	d, err := a.json("", v)
	d.MediaType = mediaType
	return d, err
}
