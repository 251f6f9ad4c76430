// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the template
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed krew.yaml
var krewText string

// krewPlatform is an archive as krew's manifest names it.
type krewPlatform struct{ OS, Arch, File, SHA256, Bin string }

// writePlugin builds a plugin of kubectl for each platform, and its manifest.
func writePlugin(o options, dir, work, name string) error {
	var all []krewPlatform
	for _, p := range o.plugins {
		b, err := buildFor(o, name, p, work, []string{name})
		if err != nil {
			return err
		}
		if err := pluginArchive(o, dir, name, b); err != nil {
			return err
		}
		archive := pluginFile(o, name, p)
		content, err := os.ReadFile(filepath.Join(dir, archive))
		if err != nil {
			return err
		}
		all = append(all, krewPlatform{p.os, p.arch, archive, fmt.Sprintf("%x", sha256.Sum256(content)), b.programs[0].name})
	}
	t, err := template.New("krew.yaml").Parse(krewText)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, map[string]any{"Version": o.version, "Platforms": all}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "krew-"+name+".yaml"), out.Bytes(), 0o644)
}
