// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// What runs the handlers is read as the runtime reads it.
func TestPrograms(t *testing.T) {
	const main, k3s = "/etc/containerd/config.toml", "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
	handler := func(cri, name, program string) string {
		return fmt.Sprintf("[plugins.%q.containerd.runtimes.%s]\nruntime_type = %q\noptions = { BinaryName = %q }\n", cri, name, runcShim, program)
	}
	const imports = "version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n"
	for _, tc := range []struct {
		name  string
		files map[string]string
		node  Node
		want  string
	}{
		{"nothing is written", map[string]string{"/usr/bin/containerd": ""}, Node{Version: "v2.2.1"}, "=runc runc=runc"},
		{"a handler", map[string]string{main: "version = 3\n" + handler(criV3, "nodegate", "/x/nodegate-runc")}, Node{Version: "2.4.2"},
			"=runc nodegate=/x/nodegate-runc runc=runc"},
		{"of an import", map[string]string{main: imports, "/etc/containerd/conf.d/zz.toml": "version = 3\n" + handler(criV3, "nodegate", "/x/nodegate-runc")}, Node{Version: "2.4.2"},
			"=runc nodegate=/x/nodegate-runc runc=runc"},
		{"the default", map[string]string{main: "version = 3\n[plugins.'" + criV3 + "'.containerd]\ndefault_runtime_name = 'nodegate'\n" + handler(criV3, "nodegate", "/x/nodegate-runc")}, Node{Version: "2.4.2"},
			"=/x/nodegate-runc nodegate=/x/nodegate-runc runc=runc"},
		{"a default that is not there", map[string]string{main: "version = 3\n[plugins.'" + criV3 + "'.containerd]\ndefault_runtime_name = 'x'\n"}, Node{Version: "2.4.2"}, "runc=runc"},
		{"1.7", map[string]string{main: "version = 2\n" + handler(criV2, "nodegate", "/x/nodegate-runc") + handler(criV2, "runc", "")}, Node{Version: "1.7.35"},
			"=runc nodegate=/x/nodegate-runc runc=runc"},
		{"another shim", map[string]string{main: "version = 3\n[plugins.'" + criV3 + "'.containerd.runtimes.kata]\nruntime_type = 'io.containerd.kata.v2'\n"}, Node{Version: "2.4.2"},
			"=runc kata=io.containerd.kata.v2 runc=runc"},
		{"k3s", map[string]string{k3s: "version = 3\n" + handler(criV3, "nodegate", "/x/nodegate-runc")}, Node{Version: "v2.3.2-k3s2"},
			"=runc nodegate=/x/nodegate-runc runc=runc"},
		{"the file that it was started with", map[string]string{main: "version = 3\n", "/opt/c.toml": "version = 3\n" + handler(criV3, "own", "/x/nodegate-runc")},
			Node{Version: "2.4.2", Config: "/opt/c.toml"}, "=runc own=/x/nodegate-runc runc=runc"},
		{"CRI-O", map[string]string{"/etc/crio/crio.conf.d/10.conf": "[crio.runtime]\ndefault_runtime = 'nodegate'\n[crio.runtime.runtimes.nodegate]\nruntime_path = '/x/nodegate-runc'\n"},
			Node{CRIO: true}, "=/x/nodegate-runc crun=crun nodegate=/x/nodegate-runc"},
		{"a pod, which sees nothing", nil, Node{Version: "2.4.2"}, "does not see what the runtime reads"},
		{"a file that is not seen", map[string]string{main: "version = 3\n"}, Node{Version: "2.4.2", Config: "/opt/c.toml"}, "does not see what the runtime reads"},
		{"nobody's version", map[string]string{main: "version = 3\n"}, Node{Version: "x"}, "is not a version of containerd"},
		{"broken", map[string]string{main: "["}, Node{Version: "2.4.2"}, "is not TOML"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &host{T: t, root: t.TempDir()}
			for name, text := range tc.files {
				h.write(name, text)
			}
			tc.node.Root, tc.node.Read = h.root, func(name string) ([]byte, error) { return os.ReadFile(h.at(name)) }
			programs, err := Programs(tc.node)
			var got []string
			for _, name := range slices.Sorted(maps.Keys(programs)) {
				got = append(got, name+"="+programs[name])
			}
			if text := strings.Join(got, " "); err == nil && text != tc.want || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s, %v\nwant %s", text, err, tc.want)
			}
		})
	}
}
