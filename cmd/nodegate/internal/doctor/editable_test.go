// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/plugin/host"
)

// A remedy names what k3s makes its configuration of, never the generated file.
func TestEditable(t *testing.T) {
	const folder = "/var/lib/rancher/k3s/agent/etc/containerd"
	for _, tc := range []struct {
		text    string
		imports []string
		want    string
	}{
		{"version = 3\n", []string{folder + "/config-v3.toml.d/*.toml"}, folder + "/config-v3.toml.d/nri.toml"},
		{"version = 2\n", []string{folder + "/config.toml.d/*.toml"}, folder + "/config.toml.d/nri.toml"},
		{"version = 3\n", nil, folder + "/config-v3.toml.tmpl"},
		{"version = 2\n", []string{"/etc/elsewhere/*.toml"}, folder + "/config.toml.tmpl"},
		{"\xff", nil, folder + "/config-v3.toml.tmpl"},
	} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, folder, "config.toml"), []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := host.New(root, "/dev/.udev/nodegate")
		if err != nil {
			t.Fatal(err)
		}
		g := &gatherer{view: view{root: root, host: h}}
		if got := g.editable(folder+"/config.toml", tc.imports); got != tc.want {
			t.Errorf("%q, %q: %s, want %s", tc.text, tc.imports, got, tc.want)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
