// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// finding is one line of nodegate doctor.
type finding struct{ Check, Subject, Status, Found, Remedy string }

// diagnosis is what nodegate doctor says of a node: its exit code, and the findings by
// check and subject.
type diagnosis struct {
	exit     int
	findings map[string]finding
}

// doctor runs nodegate doctor where containerd runs, as an administrator would, and sees
// that it leaves nothing behind.
func doctor(t *testing.T, g *gate, args ...string) diagnosis {
	t.Helper()
	args = append([]string{"doctor", "-o", "json", "--config", g.Config, "--runtime-endpoint", "unix://" + g.Node.CRISocket()}, args...)
	before := g.Left()
	d := diagnose(t, g.Node.Command(g.binary, args...))
	if after := g.Left(); len(after) != len(before) {
		t.Errorf("left behind: %q", after)
	}
	return d
}

func diagnose(t *testing.T, cmd *exec.Cmd) diagnosis {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	d := diagnosis{findings: map[string]finding{}}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		d.exit = exit.ExitCode()
	} else {
		must(t, err)
	}
	var report struct {
		Version  int
		Status   string
		Findings []finding
	}
	if err := json.Unmarshal(out, &report); err != nil || report.Version != 1 {
		t.Fatalf("%v: %s%s", err, out, &stderr)
	}
	if (d.exit == 1) != (report.Status == "problem") {
		t.Errorf("status %q, and exit code %d", report.Status, d.exit)
	}
	for _, f := range report.Findings {
		d.findings[strings.TrimSpace(f.Check+" "+f.Subject)] = f
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s%s", out, &stderr)
		}
	})
	return d
}

// said is a finding's title, its status and what it says in part.
type said struct{ title, status, found string }

func (d diagnosis) expect(t *testing.T, all ...said) {
	t.Helper()
	for _, want := range all {
		if f, ok := d.findings[want.title]; !ok || f.Status != want.status || !strings.Contains(f.Found, want.found) {
			t.Errorf("%s: %+v, want %s: %s", want.title, f, want.status, want.found)
		}
	}
}

// restarted changes containerd's configuration and starts it again. Its file is as old
// as it was before the first start.
func restarted(t *testing.T, n *node.Node, change func(string) string) {
	t.Helper()
	file := filepath.Join(n.Dir(), "config.toml")
	text, err := os.ReadFile(file)
	must(t, err)
	past := time.Now().Add(-time.Hour)
	must(t, os.WriteFile(file, []byte(change(string(text))), 0o600), os.Chtimes(file, past, past))
	must(t, n.RestartContainerd(t.Context()))
}

// Each containerd is seen as it is: well, with files that changed, and with NRI off.
func TestDoctor(t *testing.T) {
	for version, want := range map[string][]said{
		"2.4.2":  {{"runtime", "ok", "(NRI 0.12.3)"}, {"configuration", "ok", "version 4"}, {"validator", "warning", "off"}, {"user-namespaces", "ok", "and so does containerd"}},
		"2.2.9":  {{"runtime", "ok", "goes to the wrapper"}, {"configuration", "ok", "version 3"}, {"validator", "warning", "off"}, {"user-namespaces", "ok", ""}},
		"1.7.35": {{"runtime", "ok", "(NRI 0.8.0)"}, {"configuration", "ok", "version 2"}, {"validator", "warning", "has none"}, {"user-namespaces", "warning", "this containerd does not"}},
	} {
		t.Run(version, func(t *testing.T) {
			n, w := wrappedNode(t, node.Options{Containerd: version})
			g := newGate(t, n, grantApart("fuse", "mknod"))
			w.exempt(t, g.State)
			d := doctor(t, g, "--wrapper-config", w.config)
			d.expect(t, want...)
			d.expect(t, []said{
				{"nri", "ok", "on"}, {"nri-socket", "ok", g.Node.NRISocket()}, {"nri-timeouts", "ok", "registration 5s, request 2s"},
				{"required-plugins", "ok", ""}, {"handler nodegate", "ok", w.program}, {"wrapper-config", "ok", w.config},
				{"wrapper " + w.program, "warning", "version devel, and nodegate has"},
				{"oci-runtime", "ok", "runc version 1."}, {"kernel", "ok", "Linux"}, {"cgroup-driver", "ok", "cgroupfs"},
				{"id-mapped-mounts a tmpfs", "ok", ""}, {"id-mapped-mounts " + n.Dir() + "/root", "ok", ""},
				{"mknod shadow_dir", "ok", ""}, {"mknod in a user namespace", "ok", "EPERM"}, {"confinement", "ok", ""},
				{"policy", "warning", "grants: 2, warnings: 1"}, {"device /dev/fuse", "ok", "c 10:229"}, {"agent", "problem", "no answer at"},
			}...)

			file := filepath.Join(n.Dir(), "config.toml")
			future := time.Now().Add(time.Minute)
			must(t, os.Chtimes(file, future, future))
			doctor(t, g).expect(t, said{"configuration", "warning", "after containerd started"})

			restarted(t, n, func(text string) string { return strings.Replace(text, "disable = false", "disable = true", 1) })
			doctor(t, g).expect(t, said{"nri", "problem", "off"}, said{"nri-socket", "problem", "NRI is off"}, said{"configuration", "ok", ""})
		})
	}
}

// What can be set wrongly, all at once, on a real containerd.
func TestDoctorFindsFault(t *testing.T) {
	bin, err := node.BinDir()
	must(t, err)
	w := buildWrapper(t)
	n := startNode(t, node.Options{
		Handlers: map[string]string{wrapped: filepath.Join(bin, "runc"), "second": w.program, "third": "/bin/sh"},
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
	g := newGate(t, n, `nri.index = "91"
[runtime]
handlers = ["nodegate", "fourth"]
[profiles.gone]
devices = [{ path = "/dev/nodegate-absent", access = "rw" }]
[profiles.gone-too]
devices = [{ path = "/dev/nodegate-absent-too", access = "rw", optional = true }]
[profiles.stdin]
devices = [{ path = "/dev/stdin", access = "rw" }]
`+grantApart("gone", "gone-too", "stdin", "ping", "mknod"))
	must(t, os.WriteFile(w.config, []byte("version = 1\nspath = \"runc\"\n"), 0o644))
	d := doctor(t, g, "--wrapper-config", w.config)
	d.expect(t, []said{
		{"nri", "problem", "containerd starts itself"}, {"nri-timeouts", "warning", "request 100ms"},
		{"validator", "problem", "reject_sysctl_adjustment"}, {"required-plugins", "problem", "static pods"},
		{"handler nodegate", "problem", "runs " + bin + "/runc, which is not nodegate-runc"},
		{"handler fourth", "problem", "no such handler"}, {"handler second", "problem", "is not in runtime.handlers"},
		{"wrapper-config", "problem", `runc.toml:2: there is no key "spath"`},
		{"device /dev/nodegate-absent", "problem", "absent: containers that get gone are refused"},
		{"device /dev/nodegate-absent-too", "ok", "absent, and optional"}, {"device /dev/stdin", "problem", "leaves /dev"},
	}...)
	if d.exit != 1 {
		t.Errorf("exit code %d", d.exit)
	}

	must(t, os.WriteFile(g.Config, []byte("version = 1\ncolour = \"red\"\nstate.shadow_dir = \"/proc/nodegate\"\n"), 0o600))
	doctor(t, g).expect(t, said{"policy", "problem", "colour"})
	g.Write(t, "[[grants]]\nprofiles = [\"ping\"]\nnamespaces = [\"*\"]\n")
	text, err := os.ReadFile(g.Config)
	must(t, err)
	spoilt := strings.Replace(string(text), "/nri.sock", "/other.sock", 1)
	spoilt = "mode = \"audit\"\n" + strings.Replace(spoilt, g.Shadows, "/proc/nodegate", 1)
	must(t, os.WriteFile(g.Config, []byte(spoilt), 0o600))
	doctor(t, g).expect(t, said{"nri-socket", "problem", "the agent connects to " + n.Dir() + "/nri/other.sock"},
		said{"mknod shadow_dir", "problem", "/proc/nodegate"}, said{"policy", "warning", "audit"})
}

// On cgroup v2 the hierarchy's option tells whether a plain pod may have a cgroup of its own.
func TestDoctorCgroupV2(t *testing.T) {
	n := startNode(t, node.Options{CgroupV2: true})
	g := newGate(t, n, "runtime.handlers = [\"\"]\n"+grantApart("fuse"))
	setNSDelegate(t, false)
	doctor(t, g).expect(t, said{"cgroup", "warning", "v2 without nsdelegate"}, said{"handler default (runc)", "unknown", "a script"},
		said{"oci-runtime", "ok", "runc version"})

	setNSDelegate(t, true)
	doctor(t, g).expect(t, said{"cgroup", "ok", "v2 with nsdelegate"})
}

// A containerd in another mount namespace than doctor's is seen with its own files, and
// k3s' is found where k3s has it.
func TestDoctorFromElsewhere(t *testing.T) {
	n, w := wrappedNode(t, node.Options{})
	g := newGate(t, n, grantApart("fuse"))
	w.exempt(t, g.State)
	const script = `mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /run/k3s/containerd &&
ln -s "$1" /run/k3s/containerd/containerd.sock && shift && exec "$@"`
	cmd := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", n.CRISocket(),
		g.binary, "doctor", "-o", "json", "--config", g.Config, "--wrapper-config", w.config)
	diagnose(t, cmd).expect(t, said{"runtime", "ok", "/run/k3s/containerd/containerd.sock"}, said{"configuration", "ok", n.Dir()},
		said{"nri", "ok", "on"}, said{"nri-socket", "ok", ""}, said{"handler nodegate", "ok", w.program},
		said{"wrapper-config", "ok", ""}, said{"oci-runtime", "ok", "runc version"}, said{"cgroup", "ok", ""})
}

// Who is not root is told what root would see.
func TestDoctorAsNobody(t *testing.T) {
	n := startNode(t, node.Options{})
	g := newGate(t, n, "runtime.handlers = []\n"+grantApart("fuse"))
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755), exec.Command("cp", g.binary, g.Config, dir).Run())
	must(t, os.Chmod(filepath.Join(dir, "config.toml"), 0o644))
	d := diagnose(t, n.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", filepath.Join(dir, "nodegate"),
		"doctor", "-o", "json", "--config", filepath.Join(dir, "config.toml"), "--runtime-endpoint", "unix://"+n.CRISocket()))
	for _, title := range []string{"runtime", "configuration", "nri-timeouts", "validator", "required-plugins", "mknod shadow_dir", "confinement", "agent"} {
		d.expect(t, said{title, "unknown", "needs root"})
	}
	d.expect(t, said{"policy", "ok", ""}, said{"device /dev/fuse", "ok", ""})
}
