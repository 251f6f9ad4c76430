// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
)

// manifestFile is a file that pods were read from.
type manifestFile struct {
	name   string
	made   bool // of evidence: there is no such file
	read   manifest.File
	pods   []*suggested
	edits  map[int]manifest.Edit
	edited []byte // the text with the edits
}

// read reads all files. Below a directory, what is not about pods is passed over.
func (s *suggestion) read(cmd *cobra.Command) error {
	var problems []error
	for _, name := range s.options.files {
		found, err := manifestsBelow(name)
		if err != nil {
			problems = append(problems, err)
		}
		for _, dir := range found.charts {
			problems = append(problems, fmt.Errorf("%q is a chart, whose templates are no manifests yet: write helm template %q | nodegate suggest -n NAMESPACE -f -", dir, dir))
		}
		for _, n := range found.names {
			f := &manifestFile{name: n, read: readManifestBy(manifest.ReadToEdit, cmd, n)}
			for _, p := range f.read.Hidden {
				problems = append(problems, p)
			}
			if found.isDir && f.read.Other {
				s.passedOver++
				continue
			}
			for _, p := range f.read.Problems {
				problems = append(problems, p)
			}
			problems = append(problems, s.add(f)...)
		}
	}
	return errors.Join(problems...)
}

// add takes the pods of a file, but for those without a namespace.
func (s *suggestion) add(f *manifestFile) (problems []error) {
	s.files = append(s.files, f)
	for i := range f.read.Pods {
		p := &f.read.Pods[i]
		if p.Namespace == "" && s.options.namespace == "" {
			problems = append(problems, &manifest.Problem{Place: p.Place, Text: fmt.Sprintf("%s %q has no namespace, and grants go by namespace: write metadata.namespace, or -n NAMESPACE", p.Kind, strings.TrimSuffix(p.Name, "-…"))})
			continue
		}
		f.pods = append(f.pods, &suggested{file: f, index: i})
	}
	s.pods = append(s.pods, f.pods...)
	return problems
}

// listing is what a directory holds.
type listing struct {
	names  []string // of manifests
	charts []string // directories of Helm charts, whose templates are no manifests yet
	isDir  bool
}

// manifestsBelow lists the manifests of a directory and those below it; a file is itself.
// What has a name that begins with a dot is not looked into, nor are the parts of a chart.
func manifestsBelow(name string) (found listing, err error) {
	if name == "-" {
		return listing{names: []string{name}}, nil
	}
	err = filepath.WalkDir(name, func(at string, d fs.DirEntry, err error) error {
		hidden := at != name && (strings.HasPrefix(d.Name(), ".") || found.ofChart(at, d))
		switch {
		case err != nil && at == name:
			found.names = append(found.names, name) // reading it says why
			return nil
		case err != nil:
			return err
		case d.IsDir() && hidden:
			return fs.SkipDir
		case d.IsDir():
			found.isDir = found.isDir || at == name
			if _, err := os.Stat(filepath.Join(at, "Chart.yaml")); err == nil {
				found.charts = append(found.charts, at)
			}
		case at == name, !hidden && d.Type().IsRegular() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(at)):
			found.names = append(found.names, at)
		}
		return nil
	})
	return found, err
}

// ofChart reports whether a file or a directory is a part of the chart that it is in.
func (l *listing) ofChart(at string, d fs.DirEntry) bool {
	if !slices.Contains(l.charts, filepath.Dir(at)) {
		return false
	}
	if d.IsDir() {
		return slices.Contains([]string{"templates", "charts", "crds"}, d.Name())
	}
	return d.Name() == "Chart.yaml" || strings.HasPrefix(d.Name(), "values")
}
