// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// restarted changes containerd's configuration and starts it again. Its file is as old
// as it was before the first start.
func restarted(t *testing.T, n *node.Node, change func(string) string) {
	t.Helper()
	file := filepath.Join(n.Dir(), "config.toml")
	text, err := os.ReadFile(file)
	it.Must(t, err)
	past := time.Now().Add(-time.Hour)
	it.Must(t, os.WriteFile(file, []byte(change(string(text))), 0o600), os.Chtimes(file, past, past))
	it.Must(t, n.RestartContainerd(t.Context()))
}

// Each containerd is seen as it is: well, with files that changed, and with NRI off.
func TestDoctor(t *testing.T) {
	for version, want := range map[string][]it.Said{
		"2.4.2":  {{"runtime", "ok", "(NRI 0.12.3)"}, {"configuration", "ok", "version 4"}, {"validator", "warning", "off"}, {"user-namespaces", "ok", "and so does containerd"}},
		"2.3.7":  {{"runtime", "ok", "(NRI 0.12.0)"}, {"configuration", "ok", "version 4"}, {"validator", "warning", "off"}, {"user-namespaces", "ok", ""}},
		"2.2.9":  {{"runtime", "ok", "goes to the wrapper"}, {"configuration", "ok", "version 3"}, {"validator", "warning", "off"}, {"user-namespaces", "ok", ""}},
		"1.7.35": {{"runtime", "ok", "(NRI 0.8.0)"}, {"configuration", "ok", "version 2"}, {"validator", "warning", "has none"}, {"user-namespaces", "warning", "this containerd does not"}},
	} {
		t.Run(version, func(t *testing.T) {
			n, w := it.WrappedNode(t, node.Options{Containerd: version})
			g := it.NewGate(t, n, it.GrantApart("fuse", "mknod"))
			w.Exempt(t, g.State)
			d := it.Doctor(t, g, "--wrapper-config", w.Config)
			d.Expect(t, want...)
			d.Expect(t, []it.Said{
				{"nri", "ok", "on"}, {"nri-socket", "ok", g.Node.NRISocket()}, {"nri-timeouts", "ok", "registration 5s, request 2s"},
				{"required-plugins", "ok", ""}, {"handler nodegate", "ok", w.Program}, {"wrapper-config", "ok", w.Config},
				{"wrapper " + w.Program, "warning", "version devel, and nodegate has"},
				{"oci-runtime", "ok", "runc version 1."}, {"kernel", "ok", "Linux"},
				{"mknod shadow_dir", "ok", ""}, {"confinement", "ok", ""},
				{"policy", "warning", "grants: 2, warnings: 1"}, {"device /dev/fuse", "ok", "c 10:229"}, {"agent", "problem", "no answer at"},
			}...)

			file := filepath.Join(n.Dir(), "config.toml")
			time.Sleep(3 * time.Second) // doctor allows for two, as times of processes are coarse
			now := time.Now()
			it.Must(t, os.Chtimes(file, now, now))
			it.Doctor(t, g).Expect(t, it.Said{"configuration", "warning", "after containerd started"})

			restarted(t, n, func(text string) string { return strings.Replace(text, "disable = false", "disable = true", 1) })
			it.Doctor(t, g).Expect(t, it.Said{"nri", "problem", "off"}, it.Said{"nri-socket", "problem", "NRI is off"}, it.Said{"configuration", "ok", ""})
		})
	}
}

// What can be set wrongly, all at once, on a real containerd.
func TestDoctorFindsFault(t *testing.T) {
	bin, err := node.BinDir()
	it.Must(t, err)
	w := it.BuildWrapper(t)
	n := it.StartNode(t, node.Options{
		Handlers: map[string]string{it.Wrapped: filepath.Join(bin, "runc"), "second": w.Program, "third": "/bin/sh"},
		ExtraConfig: `[plugins.'io.containerd.nri.v1.nri']
plugin_request_timeout = "100ms"
disable_connections = true
[plugins.'io.containerd.nri.v1.nri'.default_validator]
enable = true
reject_sysctl_adjustment = true
required_plugins = ["nodegate"]
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.third.options]
SystemdCgroup = true
`,
	})
	g := it.NewGate(t, n, `nri.index = "91"
[runtime]
handlers = ["nodegate", "fourth"]
[profiles.gone]
devices = [{ path = "/dev/nodegate-absent", access = "rw" }]
[profiles.gone-too]
devices = [{ path = "/dev/nodegate-absent-too", access = "rw", optional = true }]
[profiles.stdin]
devices = [{ path = "/dev/stdin", access = "rw" }]
`+it.GrantApart("gone", "gone-too", "stdin", "ping", "mknod"))
	it.Must(t, os.WriteFile(w.Config, []byte("version = 1\nspath = \"runc\"\n"), 0o644))
	d := it.Doctor(t, g, "--wrapper-config", w.Config)
	d.Expect(t, []it.Said{
		{"nri", "problem", "containerd starts itself"}, {"nri-timeouts", "warning", "request 100ms"},
		{"validator", "problem", "reject_sysctl_adjustment"}, {"required-plugins", "problem", "static pods"},
		{"handler nodegate", "problem", "runs " + bin + "/runc, which is not nodegate-runc"},
		{"handler fourth", "problem", "no such handler"}, {"handler second", "problem", "is not in runtime.handlers"},
		{"wrapper-config", "problem", `runc.toml:2: there is no key "spath"`},
		{"device /dev/nodegate-absent", "problem", "absent: containers that get gone are refused"},
		{"device /dev/nodegate-absent-too", "ok", "absent, and optional"}, {"device /dev/stdin", "problem", "leaves /dev"},
	}...)
	if d.Exit != 1 {
		t.Errorf("exit code %d", d.Exit)
	}

	it.Must(t, os.WriteFile(g.Config, []byte("version = 1\ncolour = \"red\"\nstate.shadow_dir = \"/proc/nodegate\"\n"), 0o600))
	it.Doctor(t, g).Expect(t, it.Said{"policy", "problem", "colour"})
	g.Write(t, "[[grants]]\nprofiles = [\"ping\"]\nnamespaces = [\"*\"]\n")
	text, err := os.ReadFile(g.Config)
	it.Must(t, err)
	spoilt := strings.Replace(string(text), "/nri.sock", "/other.sock", 1)
	spoilt = "mode = \"audit\"\n" + strings.Replace(spoilt, g.Shadows, "/proc/nodegate", 1)
	it.Must(t, os.WriteFile(g.Config, []byte(spoilt), 0o600))
	it.Doctor(t, g).Expect(t, it.Said{"nri-socket", "problem", "the agent connects to " + n.Dir() + "/nri/other.sock"},
		it.Said{"mknod shadow_dir", "problem", "/proc/nodegate"}, it.Said{"policy", "warning", "audit"})
}

// On cgroup v2 the hierarchy's option tells whether a plain pod may have a cgroup of its own.
func TestDoctorCgroupV2(t *testing.T) {
	n := it.StartNode(t, node.Options{CgroupV2: true})
	g := it.NewGate(t, n, "runtime.handlers = [\"\"]\n"+it.GrantApart("fuse"))
	if !it.NSDelegate(t) {
		it.Doctor(t, g).Expect(t, it.Said{"cgroup", "warning", "v2 without nsdelegate"})
	}
	it.NeedNSDelegate(t)
	it.Doctor(t, g).Expect(t, it.Said{"cgroup", "ok", "v2 with nsdelegate"}, it.Said{"handler default (runc)", "unknown", "a script"},
		it.Said{"oci-runtime", "ok", "runc version"})
}

// A containerd in another mount namespace than doctor's is seen with its own files, and
// k3s' is found where k3s has it.
func TestDoctorFromElsewhere(t *testing.T) {
	n, w := it.WrappedNode(t, node.Options{})
	g := it.NewGate(t, n, it.GrantApart("fuse"))
	w.Exempt(t, g.State)
	const script = `mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /run/k3s/containerd &&
ln -s "$1" /run/k3s/containerd/containerd.sock && shift && exec "$@"`
	cmd := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", n.CRISocket(),
		g.Binary, "doctor", "-o", "json", "--config", g.Config, "--wrapper-config", w.Config)
	it.Diagnose(t, cmd).Expect(t, it.Said{"runtime", "ok", "/run/k3s/containerd/containerd.sock"}, it.Said{"configuration", "ok", n.Dir()},
		it.Said{"nri", "ok", "on"}, it.Said{"nri-socket", "ok", ""}, it.Said{"handler nodegate", "ok", w.Program},
		it.Said{"wrapper-config", "ok", ""}, it.Said{"oci-runtime", "ok", "runc version"}, it.Said{"cgroup", "ok", ""})
}

// Who is not root is told what root would see.
func TestDoctorAsNobody(t *testing.T) {
	n := it.StartNode(t, node.Options{})
	g := it.NewGate(t, n, "runtime.handlers = []\n"+it.GrantApart("fuse"))
	dir := t.TempDir()
	it.Must(t, os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755), exec.Command("cp", g.Binary, g.Config, dir).Run())
	it.Must(t, os.Chmod(filepath.Join(dir, "config.toml"), 0o644))
	d := it.Diagnose(t, n.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", filepath.Join(dir, "nodegate"),
		"doctor", "-o", "json", "--config", filepath.Join(dir, "config.toml"), "--runtime-endpoint", "unix://"+n.CRISocket()))
	for _, title := range []string{"runtime", "configuration", "nri-timeouts", "validator", "required-plugins", "mknod shadow_dir", "confinement", "agent"} {
		d.Expect(t, it.Said{title, "unknown", "needs root"})
	}
	d.Expect(t, it.Said{"policy", "ok", ""}, it.Said{"device /dev/fuse", "ok", ""})
}
