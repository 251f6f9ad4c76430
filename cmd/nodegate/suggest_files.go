// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
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
		names, isDir, err := manifestsBelow(name)
		if err != nil {
			problems = append(problems, err)
		}
		for _, n := range names {
			f := &manifestFile{name: n, read: readManifestBy(manifest.ReadToEdit, cmd, n)}
			if isDir && f.read.Other {
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

// manifestsBelow lists the manifests of a directory and those below it; a file is
// itself. Directories whose name begins with a dot are not looked into.
func manifestsBelow(name string) (names []string, isDir bool, err error) {
	if name == "-" {
		return []string{name}, false, nil
	}
	err = filepath.WalkDir(name, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && at == name:
			names = append(names, name) // reading it says why
			return nil
		case err != nil:
			return err
		case d.IsDir() && at != name && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
			isDir = isDir || at == name
		case at == name, d.Type().IsRegular() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(at)):
			names = append(names, at)
		}
		return nil
	})
	return names, isDir, err
}
