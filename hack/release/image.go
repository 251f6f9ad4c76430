// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// repository is the image's name, as the chart has it by default.
const repository = "nodegate/nodegate"

// assemble makes an image of one layer.
func assemble(o options, b build) (v1.Image, error) {
	files := []file{{name: "usr/share/nodegate/sbom.spdx.json", mode: 0o644, content: b.sbom}}
	for _, f := range b.programs {
		f.name = "usr/bin/" + f.name
		files = append(files, f)
	}
	for _, f := range b.licences {
		f.name = "usr/share/nodegate/licenses/" + f.name
		files = append(files, f)
	}
	content, err := layerOf(files, o.created)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: o.created}, CreatedBy: "hack/release"}}); err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, configOf(o, b.arch, image))
}

// configOf is the image's configuration: the agent, as root, with no shell around it.
func configOf(o options, arch string, image v1.Image) *v1.ConfigFile {
	have, err := image.ConfigFile()
	if err != nil { // it is in memory
		panic(err)
	}
	c := have.DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", arch, v1.Time{Time: o.created}
	c.Config = v1.Config{
		User:       "0:0",
		Env:        []string{"PATH=/usr/bin"},
		Entrypoint: []string{"/usr/bin/nodegate"},
		Cmd:        []string{"run"},
		WorkingDir: "/",
		Labels:     labels(o),
	}
	return c
}

// labels are those of https://specs.opencontainers.org/image-spec/annotations/
func labels(o options) map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title":       "nodegate",
		prefix + "description": "Run what asks for --privileged, without --privileged: an NRI plugin for containerd",
		prefix + "version":     o.version,
		prefix + "created":     o.created.Format(time.RFC3339),
		prefix + "licenses":    "Apache-2.0",
		prefix + "source":      "https://" + projectPath,
		prefix + "vendor":      "The nodegate authors",
	}
}

// writeImage writes the image of all platforms in each form, with its list and digests.
func writeImage(o options, dir string, built []build) error {
	images := make([]v1.Image, len(built))
	for i, b := range built {
		var err error
		if images[i], err = assemble(o, b); err != nil {
			return fmt.Errorf("%s: %w", b.platform, err)
		}
	}
	tag, err := name.NewTag(repository + ":" + o.version)
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	digests := &strings.Builder{}
	for i, p := range built {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: images[i], Descriptor: v1.Descriptor{
			Platform:    &v1.Platform{OS: "linux", Architecture: p.arch},
			Annotations: map[string]string{"org.opencontainers.image.ref.name": o.version},
		}})
	}
	// The top of a layout is an index too; its one entry names the image.
	top := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: index, Descriptor: v1.Descriptor{
		Annotations: map[string]string{"org.opencontainers.image.ref.name": o.version, "io.containerd.image.name": "docker.io/" + tag.String()},
	}})
	if _, err := layout.Write(filepath.Join(dir, "oci"), top); err != nil {
		return err
	}
	if err := archive(filepath.Join(dir, "nodegate-"+o.version+"-oci.tar"), filepath.Join(dir, "oci"), o.created); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintln(digests, digest, "index")
	for i, p := range built {
		base := filepath.Join(dir, "nodegate-linux-"+p.arch)
		if err := tarball.WriteToFile(base+".tar", tag, images[i]); err != nil {
			return err
		}
		if err := os.WriteFile(base+".spdx.json", p.sbom, 0o644); err != nil {
			return err
		}
		if digest, err = images[i].Digest(); err != nil {
			return err
		}
		fmt.Fprintln(digests, digest, "linux/"+p.arch)
	}
	if err := os.WriteFile(filepath.Join(dir, "version.txt"), []byte(o.version+"\n"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "digests.txt"), []byte(digests.String()), 0o644)
}

// archive writes a folder as one tar file, sorted and all of one time.
func archive(to, dir string, at time.Time) error {
	var files []file
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		inside, err := filepath.Rel(dir, p)
		files = append(files, file{name: filepath.ToSlash(inside), mode: 0o644, path: p})
		return err
	})
	if err != nil {
		return err
	}
	content, err := layerOf(files, at)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}
