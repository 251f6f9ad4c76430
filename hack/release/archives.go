// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// documentation is the pages and what they link to: lists, examples, samples.
var documentation = []string{"docs/*.md", "docs/*.txt", "docs/testdata/*.txt", "docs/recipes/*", "config/profiles.toml",
	"config/samples/*", "config/lint/findings.txt", "config/deploy/runc.toml", "config/deploy/monitoring/*"}

// nodeArchive writes what an administrator unpacks on a node, with the documentation.
func nodeArchive(o options, dir string, b build) error {
	var docs []string
	for _, pattern := range documentation {
		names, err := fs.Glob(os.DirFS(o.source), pattern)
		if err != nil {
			return err
		}
		docs = append(docs, names...)
	}
	base := fmt.Sprintf("nodegate_%s_%s_%s", o.version, b.os, b.arch)
	return writeArchive(o, filepath.Join(dir, base+".tar.gz"), base, b, append(docs, "README.md", "CHANGELOG.md", "LICENSE"))
}

// pluginArchive writes what krew unpacks: the program at the top, and what kubectl runs
// for completion.
func pluginArchive(o options, dir, name string, b build) error {
	completions, err := filepath.Glob(filepath.Join(programFolder(o, name), "kubectl_complete-*"))
	if err != nil {
		return err
	}
	for _, path := range completions {
		b.programs = append(b.programs, file{name: filepath.Base(path), mode: 0o755, path: path})
	}
	return writeArchive(o, filepath.Join(dir, pluginFile(o, name, b.platform)), "", b, []string{"LICENSE"})
}

func pluginFile(o options, name string, p platform) string {
	return fmt.Sprintf("%s_%s_%s_%s.tar.gz", name, o.version, p.os, p.arch)
}

// writeArchive writes the programs, what has to go with them and files of the source tree
// below a folder of the archive.
func writeArchive(o options, to, folder string, b build, fromSource []string) error {
	notices, err := b.notices()
	if err != nil {
		return err
	}
	files := []file{
		{name: "THIRD-PARTY-NOTICES", mode: 0o644, content: notices},
		{name: "sbom.spdx.json", mode: 0o644, content: b.sbom},
	}
	files = append(files, b.programs...)
	for _, name := range fromSource {
		files = append(files, file{name: name, mode: 0o644, path: filepath.Join(o.source, name)})
	}
	for i := range files {
		files[i].name = path.Join(folder, files[i].name)
	}
	content, err := layerOf(files, o.created)
	if err != nil {
		return err
	}
	if content, err = gzipped(content, gzip.DefaultCompression); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// gzipped compresses without a name or a time.
func gzipped(content []byte, level int) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}
