// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

// configTemplate covers version 2 of the format (containerd 1.x), whose CRI is one
// plugin, and versions 3 (2.0 to 2.2) and 4 (2.3 and later), which agree on all that is
// set here but the folders of CNI.
//
// restrict_oom_score_adj: root without CAP_SYS_RESOURCE, in CI, may not lower it.
const configTemplate = `version = {{.Version}}
imports = [{{q (print .Dir "/conf.d/*.toml")}}]

[plugins.'io.containerd.internal.v1.opt']
path = {{q (print .Dir "/opt")}}

[plugins.'io.containerd.nri.v1.nri']
disable = false
socket_path = {{q (print .Dir "/nri/nri.sock")}}
plugin_path = {{q (print .Dir "/nri/plugins")}}
plugin_config_path = {{q (print .Dir "/nri/conf.d")}}

{{if eq .Version 2 -}}
[{{.CRI}}]
sandbox_image = {{q .Image}}
enable_cdi = true
{{- else -}}
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = {{q .Image}}

[{{.CRI}}]
{{- end}}
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
cdi_spec_dirs = [{{q (print .Dir "/cdi")}}]

[{{.CRI}}.cni]
{{if .CNIDirs}}bin_dirs = [{{q .CNI}}]{{else}}bin_dir = {{q .CNI}}{{end}}
conf_dir = {{q (print .Dir "/cni")}}

[{{.CRI}}.containerd]
default_runtime_name = {{q .DefaultHandler}}
{{range .Handlers}}
[{{$.CRI}}.containerd.runtimes.{{q .Name}}]
runtime_type = "io.containerd.runc.v2"
[{{$.CRI}}.containerd.runtimes.{{q .Name}}.options]
BinaryName = {{q .Program}}
Root = {{q $.RuncRoot}}
SystemdCgroup = {{$.SystemdCgroup}}
{{end}}`

// writeConfig writes containerd's configuration into the node's directory.
func writeConfig(o Options, dir string) error {
	v, err := parseRelease(o.Containerd)
	if err != nil {
		return err
	}
	handlers, err := o.handlers(dir)
	if err != nil {
		return err
	}
	// Go's quoting of the names and paths here is a TOML basic string too.
	t, err := template.New("config.toml").Funcs(template.FuncMap{"q": strconv.Quote}).Parse(configTemplate)
	if err != nil {
		return fmt.Errorf("reading the template of containerd's configuration: %w", err)
	}
	var text strings.Builder
	err = t.Execute(&text, map[string]any{
		"Version": v.configVersion(), "CRI": v.criTable(), "CNIDirs": v.manyCNIDirs(),
		"Dir": dir, "Image": Image, "CNI": o.cni(), "DefaultHandler": o.DefaultHandler, "Handlers": handlers, "RuncRoot": filepath.Join(dir, "runc"),
		"SystemdCgroup": o.SystemdCgroup,
	})
	if err != nil {
		return fmt.Errorf("writing containerd's configuration: %w", err)
	}
	files := map[string]string{"config.toml": text.String(), "cni/10-node.conflist": cniConfig(dir)}
	if o.ExtraConfig != "" {
		files["conf.d/extra.toml"] = fmt.Sprintf("version = %d\n%s", v.configVersion(), o.ExtraConfig)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("writing the node's configuration: %w", err)
		}
	}
	return nil
}

// cniConfig gives each pod a veth pair to the node's network namespace. All nodes
// use the same addresses: they do not see each other.
func cniConfig(dir string) string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "node",
  "plugins": [{
    "type": "ptp",
    "ipam": {
      "type": "host-local",
      "ranges": [[{"subnet": "10.88.0.0/16"}]],
      "routes": [{"dst": "0.0.0.0/0"}],
      "dataDir": %q
    }
  }]
}
`, filepath.Join(dir, "ipam"))
}
