// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"
)

const (
	configDir  = "/var/lib/rancher/k3s/agent/etc/containerd"
	configFile = configDir + "/config.toml"
)

//go:embed *.toml
var bases embed.FS

// settings are what the templates are filled in with.
type settings struct {
	Imports      bool
	PauseImage   string
	CNIBinDir    string
	CNIConfDir   string
	RestrictOOM  bool // of a machine that has no CAP_SYS_RESOURCE
	ConfigFolder string
}

// generate writes containerd's configuration, as each start does: from the
// administrator's template if there is one, whose name says which version of the format
// it is of, and else from the built-in one of version 3.
func generate(bin, release string) error {
	s := settings{
		Imports: release >= "v1.36", PauseImage: os.Getenv("K3S_PAUSE_IMAGE"), RestrictOOM: os.Getenv("K3S_RESTRICT_OOM") != "",
		CNIBinDir: bin, CNIConfDir: "/var/lib/rancher/k3s/agent/etc/cni/net.d", ConfigFolder: configDir,
	}
	base, text := "base-v3.toml", []byte(`{{ template "base" . }}`)
	for _, of := range []struct{ template, base string }{{"config-v3.toml.tmpl", "base-v3.toml"}, {"config.toml.tmpl", "base-v2.toml"}} {
		theirs, err := os.ReadFile(filepath.Join(configDir, of.template))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		base, text = of.base, theirs
		break
	}
	built, err := bases.ReadFile(base)
	if err != nil {
		return err
	}
	t, err := template.New("user").Parse(string(text))
	if err == nil {
		_, err = t.New("base").Parse(string(built))
	}
	if err != nil {
		return fmt.Errorf("containerd's template: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, s); err != nil {
		return fmt.Errorf("containerd's template: %w", err)
	}
	if err := os.MkdirAll(configDir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(configFile, out.Bytes(), 0o600)
}
