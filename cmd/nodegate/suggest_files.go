// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
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
			if dir := found.patches[n]; dir != "" && len(f.read.Pods) == 0 && (len(f.read.Hidden) > 0 || !f.read.Other) {
				problems = append(problems, fmt.Errorf("%q is a patch: write kubectl kustomize %q | nodegate suggest -n NAMESPACE -f -", n, dir))
				continue
			}
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
