// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/containerd"
	"github.com/nodegate/nodegate/plugin/host"
)

// Whatever a runtime calls itself: only a program that is containerd is run. This
// one, the test, would run for ever.
func TestRuntimeThatLiesAboutItsName(t *testing.T) {
	g := &gatherer{pid: os.Getpid()}
	for _, name := range []string{"containerd", "cri-o"} {
		got := g.configured(t.Context(), fact(Runtime{Name: name, Version: "2.4.2"}))
		if got.OK() || !strings.Contains(got.Unknown, "is neither containerd nor CRI-O") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func crioAt(t *testing.T, files map[string]string, version string) Fact[Containerd] {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, err := host.New(root, "/dev/.udev/nodegate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	g := &gatherer{view: view{root: root, host: h}}
	return factOr(g.crio(containerd.CommandLine{}, version))
}

func TestCRIOsFiles(t *testing.T) {
	got := crioAt(t, map[string]string{
		"/etc/crio/crio.conf": "[crio]\nroot = \"/r\"\n[crio.runtime]\ncgroup_manager = \"cgroupfs\"\n[crio.nri]\nenable_nri = false\n",
		"/etc/crio/crio.conf.d/10-crio.conf": "[crio.runtime]\ndefault_runtime = \"crun\"\n[crio.runtime.runtimes.crun]\n" +
			"[crio.runtime.runtimes.nodegate]\nruntime_path = \"/usr/local/bin/nodegate-runc\"\n",
		"/etc/crio/crio.conf.d/20.conf": "[crio.nri]\nnri_listen = \"/n.sock\"\nnri_plugin_request_timeout = \"1s\"\n[crio.nri.default_validator]\n" +
			"nri_enable_default_validator = true\nnri_validator_reject_custom_seccomp_adjustment = true\nnri_validator_required_plugins = [\"x\"]\n",
	}, "1.36.3")
	want := Containerd{
		DropIns: "/etc/crio/crio.conf.d", Config: "/etc/crio/crio.conf", Root: "/r", Default: "crun",
		Started: got.Value.Started, Changed: got.Value.Changed,
		Handlers: map[string]Handler{"crun": {BinaryName: "crun"}, "nodegate": {BinaryName: "/usr/local/bin/nodegate-runc"}},
		NRI: NRISettings{Disabled: true, Socket: "/n.sock", Registration: "5s", Request: "1s",
			Validator: &Validator{Enabled: true, Rejects: []string{"reject_custom_seccomp_adjustment"}, Required: []string{"x"}}},
	}
	if !got.OK() || !reflect.DeepEqual(got.Value, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := crioAt(t, nil, "1.33.0"); !got.OK() || got.Value.NRI.Validator != nil {
		t.Errorf("without files, and older than the validator: %+v", got)
	}
	if got := crioAt(t, map[string]string{"/etc/crio/crio.conf.d/x": "["}, "1.36.3"); got.OK() || !strings.Contains(got.Unknown, "/etc/crio/crio.conf.d/x: ") {
		t.Errorf("with a broken file: %+v", got)
	}
}

// What doctor tells to write has CRI-O's own names.
func TestRemediesForCRIO(t *testing.T) {
	f := healthy()
	f.Containerd.Value.DropIns = "/etc/crio/crio.conf.d"
	f.Containerd.Value.NRI.Disabled = true
	f.Containerd.Value.NRI.Request = "1s"
	f.Containerd.Value.NRI.Validator = &Validator{}
	f.rehandle("nodegate", Handler{BinaryName: "/gone", SystemdCgroup: true})
	for _, tc := range []struct {
		check func(*Facts) []Finding
		want  string
	}{
		{checkNRI, "write enable_nri = true under [crio.nri] in a file in /etc/crio/crio.conf.d and restart crio, or run nodegate install"},
		{checkTimeouts, `write nri_plugin_request_timeout = "2s" under [crio.nri] in a file in /etc/crio/crio.conf.d and restart crio`},
		{checkValidator, "write nri_enable_default_validator = true under [crio.nri.default_validator] in a file in /etc/crio/crio.conf.d and restart crio, or run nodegate install"},
		{checkHandlers, "write runtime_path = '/usr/local/bin/nodegate-runc' under [crio.runtime.runtimes.nodegate] and restart crio, or take it out of handlers under [runtime] in /etc/nodegate/config.toml"},
	} {
		if got := tc.check(f)[0]; got.Remedy != tc.want {
			t.Errorf("got %+v\nwant %s", got, tc.want)
		}
	}
}
