// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// file is one file of the image: from a path, or its content.
type file struct {
	name    string // without a leading slash
	mode    int64
	path    string
	content []byte
}

// layerOf writes files as a tar archive in which nothing depends on the machine: sorted,
// root's, and all of one time.
func layerOf(files []file, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	header := func(name string, kind byte, mode, size int64) error {
		return w.WriteHeader(&tar.Header{Typeflag: kind, Name: name, Mode: mode, Size: size, ModTime: at, Format: tar.FormatPAX})
	}
	for _, dir := range folders(files) {
		if err := header(dir+"/", tar.TypeDir, 0o755, 0); err != nil {
			return nil, err
		}
	}
	files = slices.SortedFunc(slices.Values(files), func(a, b file) int { return cmp.Compare(a.name, b.name) })
	for _, f := range files {
		content := f.content
		if f.path != "" {
			var err error
			if content, err = os.ReadFile(f.path); err != nil {
				return nil, err
			}
		}
		if err := header(f.name, tar.TypeReg, f.mode, int64(len(content))); err != nil {
			return nil, err
		}
		if _, err := io.Copy(w, bytes.NewReader(content)); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// folders are all that the files lie in, parents first.
func folders(files []file) []string {
	found := map[string]bool{}
	for _, f := range files {
		for dir := path.Dir(f.name); dir != "."; dir = path.Dir(dir) {
			found[dir] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), strings.Compare)
}
