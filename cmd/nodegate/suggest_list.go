// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// listing is what a directory holds.
type listing struct {
	names  []string // of manifests
	charts []string // directories of Helm charts, whose templates are no manifests yet
	isDir  bool

	patches map[string]string // the directories whose kustomization names a file as a patch
}

// manifestsBelow lists the manifests of a directory and those below it; a file is itself.
// What has a name that begins with a dot is not looked into, nor are the parts of a chart.
func manifestsBelow(name string) (found listing, err error) {
	if name == "-" {
		return listing{names: []string{name}}, nil
	}
	found.patches = map[string]string{}
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
			found.kustomization(at)
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

// kustomization notes which files are patches, and no manifests.
func (l *listing) kustomization(dir string) {
	type named struct {
		Path string `yaml:"path"`
	}
	var k struct {
		Patches []named  `yaml:"patches"`
		JSON    []named  `yaml:"patchesJson6902"`
		Merged  []string `yaml:"patchesStrategicMerge"`
	}
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		text, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // the user's own
		if err != nil || yaml.Unmarshal(text, &k) != nil {
			continue // reading its files says what is wrong
		}
		for _, p := range append(k.Patches, k.JSON...) {
			k.Merged = append(k.Merged, p.Path)
		}
		for _, at := range k.Merged { // which may be the patch itself
			if at != "" && !strings.Contains(at, "\n") {
				l.patches[filepath.Join(dir, at)] = dir
			}
		}
	}
}
