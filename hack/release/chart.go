// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.yaml.in/yaml/v3"
)

const chartFolder = "config/deploy/chart"

// What https://helm.sh/docs/topics/registries/ has of a chart in a registry.
const (
	chartConfig  types.MediaType = "application/vnd.cncf.helm.config.v1+json"
	chartContent types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

var chartVersions = regexp.MustCompile(`(?m)^(version|appVersion): .*$`)

// writeChart writes the chart as helm package does, but of one time, and as an artifact in
// an OCI layout of its own.
func writeChart(o options, dir string) error {
	files, metadata, err := chartFiles(o)
	if err != nil {
		return err
	}
	content, err := layerOf(files, o.created)
	if err != nil {
		return err
	}
	if content, err = gzipped(content, gzip.BestCompression); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "nodegate-chart-"+o.version+".tgz"), content, 0o644); err != nil {
		return err
	}
	return writeArtifact(o, filepath.Join(dir, "chart"), metadata, content)
}

// chartFiles are the chart's, with the release's version, and its Chart.yaml as a map.
func chartFiles(o options) (files []file, metadata map[string]any, err error) {
	root := filepath.Join(o.source, chartFolder)
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		inside, err := filepath.Rel(root, name)
		files = append(files, file{name: path.Join("nodegate", filepath.ToSlash(inside)), mode: 0o644, path: name})
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for i := range files {
		if files[i].name != "nodegate/Chart.yaml" {
			continue
		}
		text, err := os.ReadFile(files[i].path)
		if err != nil {
			return nil, nil, err
		}
		text = chartVersions.ReplaceAll(text, fmt.Appendf(nil, "$1: %q", o.version))
		if err := yaml.Unmarshal(text, &metadata); err != nil {
			return nil, nil, fmt.Errorf("%s/Chart.yaml: %w", chartFolder, err)
		}
		files[i].path, files[i].content = "", text
	}
	return files, metadata, nil
}

// writeArtifact writes a layout with one manifest: Chart.yaml as its configuration, and the
// chart as its layer.
func writeArtifact(o options, dir string, metadata map[string]any, content []byte) error {
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	config, err := json.Marshal(metadata)
	if err != nil {
		return err
	}
	describe := func(mediaType types.MediaType, blob []byte) (v1.Descriptor, error) {
		hash, size, err := v1.SHA256(bytes.NewReader(blob))
		if err != nil {
			return v1.Descriptor{}, err
		}
		return v1.Descriptor{MediaType: mediaType, Size: size, Digest: hash}, os.WriteFile(filepath.Join(dir, "blobs", hash.Algorithm, hash.Hex), blob, 0o644)
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: map[string]string{
		"org.opencontainers.image.created": o.created.Format(time.RFC3339),
		"org.opencontainers.image.title":   "nodegate",
		"org.opencontainers.image.version": o.version,
	}}
	if m.Config, err = describe(chartConfig, config); err != nil {
		return err
	}
	layer, err := describe(chartContent, content)
	if err != nil {
		return err
	}
	m.Layers = []v1.Descriptor{layer}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	top, err := describe(types.OCIManifestSchema1, text)
	if err != nil {
		return err
	}
	top.Annotations = map[string]string{"org.opencontainers.image.ref.name": o.version}
	return l.AppendDescriptor(top)
}
