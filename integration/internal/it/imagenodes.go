// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/nodegate/nodegate/integration/node"
)

// ImageNode is a character device that everybody may open, in an image, or a link.
type ImageNode struct {
	Path         string // without its leading slash
	Major, Minor int64
	Link         string // what it leads to
}

// ImportWithNodes gives the node an image of the probe and of device nodes below /etc.
func ImportWithNodes(t *testing.T, n *node.Node, nodes ...ImageNode) string {
	t.Helper()
	bin, err := node.BinDir()
	Must(t, err)
	program, err := os.ReadFile(filepath.Join(bin, "probe"))
	Must(t, err)
	headers := []tar.Header{
		{Typeflag: tar.TypeReg, Name: node.ProbePath[1:], Mode: 0o755, Size: int64(len(program))},
		{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777},
		{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755},
	}
	for _, one := range nodes {
		h := tar.Header{Typeflag: tar.TypeChar, Name: one.Path, Mode: 0o666, Devmajor: one.Major, Devminor: one.Minor}
		if one.Link != "" {
			h = tar.Header{Typeflag: tar.TypeSymlink, Name: one.Path, Linkname: one.Link}
		}
		headers = append(headers, h)
	}
	var layer, image bytes.Buffer
	files := tar.NewWriter(&layer)
	for _, h := range headers {
		Must(t, files.WriteHeader(&h))
		_, err := files.Write(program[:h.Size])
		Must(t, err)
	}
	Must(t, files.Close())
	const name = "docker.io/local/nodes:1"
	Must(t, node.WriteImage(&image, name, ocispec.ImageConfig{Entrypoint: []string{node.ProbePath}, Cmd: []string{"pause"}, WorkingDir: "/"},
		bytes.NewReader(layer.Bytes())))
	_, err = n.ImportImage(t.Context(), &image, name)
	Must(t, err)
	return name
}
