// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"strings"
	"testing"
)

const (
	crioMain = "/etc/crio/crio.conf"
	crioD    = "/etc/crio/crio.conf.d/"
	// packaged is what CRI-O's own packages put into crio.conf.d.
	packaged = `[crio.image]
signature_policy = "/etc/crio/policy.json"

[crio.runtime]
default_runtime = "crun"

[crio.runtime.runtimes.crun]
runtime_path = "/usr/libexec/crio/crun"
runtime_root = "/run/crun"
monitor_path = "/usr/libexec/crio/conmon"
allowed_annotations = [
    "io.containers.trace-syscall",
]

[crio.runtime.runtimes.runc]
runtime_path = "/usr/libexec/crio/runc"
runtime_root = "/run/runc"
monitor_path = "/usr/libexec/crio/conmon"
`
)

// newCRIO makes a host with CRI-O as its packages leave it.
func newCRIO(t *testing.T) *host {
	t.Helper()
	h := newHost(t, "")
	h.must(os.Remove(h.at("/etc/containerd")))
	h.o.Containerd = ""
	// It answers for itself, and is no containerd: nothing may run it.
	h.write("/usr/bin/crio", "#!/bin/sh\ntouch /ran\n")
	h.must(os.Chmod(h.at("/usr/bin/crio"), 0o755))
	h.write(crioD+"10-crio.conf", packaged)
	return h
}

func TestCRIO(t *testing.T) {
	h := newCRIO(t)
	before := h.tree()
	h.install()
	if got, want := h.read(crioD+crioDropIn), dropInHead+`
[crio.runtime.runtimes.nodegate]
  runtime_path = "/usr/local/bin/nodegate-runc"
  allowed_annotations = ["io.containers.trace-syscall"]
  monitor_path = "/usr/libexec/crio/conmon"
  runtime_root = "/run/crun"
[crio.nri]
  enable_nri = true
[crio.nri.default_validator]
  nri_enable_default_validator = true
`; got != want {
		t.Errorf("the drop-in is\n%s\nwant\n%s", got, want)
	}
	if text := h.read("/etc/nodegate/runc.toml"); !strings.Contains(text, `path = "/usr/libexec/crio/crun"`) {
		t.Errorf("runc.toml is\n%s", text)
	}
	p := h.plan()
	if !p.Empty() || len(p.Units) != 1 || p.Units[0] != "crio" || p.Runtime() != "CRI-O" || p.socket != "/var/run/crio/crio.sock" {
		t.Errorf("the second plan is %+v", p)
	}
	h.o.DefaultRuntime = true
	h.install()
	if text := h.read(crioD + crioDropIn); !strings.Contains(text, "default_runtime = \"nodegate\"\n") || !strings.Contains(text, `runtime_root = "/run/crun"`) {
		t.Errorf("as the default runtime: %s", text)
	}
	if _, err := h.removal(false); err != nil {
		t.Fatal(err)
	}
	h.same(before, "after the removal")
}

// What a node has already is built on, and what it says later is not overruled.
func TestCRIOBuildsOnWhatIsThere(t *testing.T) {
	h := newCRIO(t)
	h.write(crioMain, "[crio.api]\nlisten = \"/run/x.sock\"\n[crio.nri]\nenable_nri = true\nnri_disable_connections = true\nnri_listen = \"/run/n.sock\"\n"+
		"[crio.nri.default_validator]\nnri_enable_default_validator = true\n")
	// A later table of a handler replaces the earlier one whole.
	h.write(crioD+"20-own.conf", "[crio.runtime.runtimes.crun]\nruntime_path = \"/opt/crun\"\n")
	h.install()
	want := dropInHead + "\n[crio.runtime.runtimes.nodegate]\n  runtime_path = \"/usr/local/bin/nodegate-runc\"\n[crio.nri]\n  nri_disable_connections = false\n"
	if got := h.read(crioD + crioDropIn); got != want {
		t.Errorf("the drop-in is\n%s\nwant\n%s", got, want)
	}
	if text := h.read("/etc/nodegate/config.toml"); !strings.Contains(text, `socket = "/run/n.sock"`) {
		t.Errorf("the policy is\n%s", text)
	}
	if p := h.plan(); p.socket != "/run/x.sock" {
		t.Errorf("CRI-O listens at %q", p.socket)
	}
}

// A CRI-O that is told no default_runtime has crun, by its path, in PATH, or built in.
func TestCRIOWithoutADefault(t *testing.T) {
	for name, tc := range map[string]struct{ conf, program, want string }{
		"a table with a path": {"[crio.runtime.runtimes.crun]\nruntime_path = \"/opt/crun\"\n", "", "/opt/crun"},
		"a table without":     {"[crio.runtime.runtimes.crun]\nruntime_root = \"/run/crun\"\n", "/usr/local/bin/crun", "crun"},
		"nothing":             {"", "/usr/bin/crun", "crun"},
		"empty":               {"[crio.runtime]\ndefault_runtime = \"\"\n", "/usr/bin/crun", "crun"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newCRIO(t)
			h.write(crioD+"10-crio.conf", tc.conf)
			if tc.program != "" {
				h.write(tc.program, "")
			}
			before := h.tree()
			h.install()
			if text := h.read("/etc/nodegate/runc.toml"); !strings.Contains(text, "path = \""+tc.want+"\"") {
				t.Errorf("runc.toml is\n%s", text)
			}
			if text := h.read(crioD + crioDropIn); !strings.Contains(text, `runtime_path = "/usr/local/bin/nodegate-runc"`) {
				t.Errorf("the drop-in is\n%s", text)
			}
			if _, err := h.removal(false); err != nil {
				t.Fatal(err)
			}
			h.same(before, "after the removal")
		})
	}
}

func TestCRIORefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(h *host)
		want   string
	}{
		"a folder that is a link": {func(h *host) {
			h.must(os.Rename(h.at(crioD), h.at("/etc/crio/real")))
			h.must(os.Symlink("real", h.at("/etc/crio/crio.conf.d")))
		}, "/etc/crio/crio.conf.d is a link, which CRI-O does not follow"},
		"no folder": {func(h *host) {
			h.must(os.RemoveAll(h.at(crioD)))
			h.write("/etc/crio/crio.conf.d", "")
		}, "/etc/crio/crio.conf.d is not a folder"},
		"no default, no crun":       {func(h *host) { h.must(os.Remove(h.at(crioD + "10-crio.conf"))) }, "names no default_runtime, and there is no crun"},
		"a default without a table": {func(h *host) { h.write(crioD+"20.conf", "[crio.runtime]\ndefault_runtime = \"kata\"\n") }, "has no [crio.runtime.runtimes.kata]"},
		"the default is ours":       {func(h *host) { h.write(crioD+"20.conf", "[crio.runtime]\ndefault_runtime = \"nodegate\"\n") }, "nodegate install --default-runtime"},
		"a virtual machine": {func(h *host) {
			h.write(crioMain, "[crio.runtime.runtimes.crun]\n")
			h.write(crioD+"20.conf", "[crio.runtime.runtimes.crun]\nruntime_type = \"vm\"\n")
		}, `runtime_type = "vm"`},
		"not TOML":   {func(h *host) { h.write(crioD+"50-x", "[") }, crioD + "50-x: "},
		"said later": {func(h *host) { h.write(crioD+"zzz.conf", "[crio.nri]\nenable_nri = false\n") }, "would not take effect, since a file that is read later says something else (" + crioD + "zzz.conf)"},
		"a handler of that name": {func(h *host) { h.write(crioMain, "[crio.runtime.runtimes.nodegate]\nruntime_path = \"/x\"\n") },
			`a runtime handler "nodegate" already, whose runtime_path is "/x"`},
		"containerd too": {func(h *host) { h.write("/etc/containerd/config.toml", "version = 2\n") },
			"more than one container runtime (/etc/containerd/config.toml, /etc/crio/crio.conf): say which is the kubelet's by --layout"},
		"a drop-in that is there": {func(h *host) { h.write(crioD+crioDropIn, "# mine\n") }, "was not written by nodegate install"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newCRIO(t)
			tc.change(h)
			before := h.tree()
			_, err := NewPlan(t.Context(), h.o)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			h.same(before, "after a refusal")
		})
	}
	// With both on the node, the layout tells.
	h := newCRIO(t)
	h.write("/etc/containerd/config.toml", "version = 2\n")
	h.o.Layout = "crio"
	if p := h.plan(); p.Runtime() != "CRI-O" {
		t.Errorf("the plan is for %s", p.Runtime())
	}
}

// TestCRIOContainersKeepTheWrapper: a container's monitor names its runtime.
func TestCRIOContainersKeepTheWrapper(t *testing.T) {
	h := newCRIO(t)
	h.install()
	h.write("/b/config.json", `{"annotations":{"io.kubernetes.pod.namespace":"ci","io.kubernetes.pod.name":"build"}}`)
	h.write("/proc/77/cmdline", strings.Join([]string{"/usr/libexec/crio/conmon", "-b", "/b", "-c", "c0ffee", "-r", "/usr/local/bin/nodegate-runc", ""}, "\x00"))
	h.write("/proc/78/cmdline", strings.Join([]string{"/usr/libexec/crio/conmon", "-b", "/b", "-c", "other", "-r", "/usr/bin/crun", ""}, "\x00"))
	h.write("/proc/80/cmdline", "conmon\x00-b\x00/b\x00-c\x00"+strings.Repeat("x", 1<<20)) // a pod's own
	h.write("/proc/79/cmdline", strings.Join([]string{"conmon", "-c", "c0ffee", "-e", "-r", "/usr/local/bin/nodegate-runc", ""}, "\x00"))
	r, err := h.removal(false)
	if err != nil || strings.Join(r.Containers, " ") != "c0ffee" || strings.Join(r.Pods, " ") != "ci/build" {
		t.Fatalf("%v: %+v", err, r)
	}
	wrapper := "/usr/local/bin/nodegate-runc"
	if !(Tree{h.root}).exists(wrapper) {
		t.Error("the wrapper is gone")
	}
	h.must(os.RemoveAll(h.at("/proc")))
	if _, err := h.removal(false); err != nil {
		t.Fatal(err)
	}
	if (Tree{h.root}).exists(wrapper) {
		t.Error("the wrapper is still there")
	}
}

// A folder that CRI-O leaves behind, or that its images' programs make, is no CRI-O.
func TestFolderOfCRIOAlone(t *testing.T) {
	h := newHost(t, "")
	h.must(os.MkdirAll(h.at("/etc/crio/policies"), 0o755))
	if _, err := NewPlan(t.Context(), h.o); err != nil {
		t.Error(err)
	}
}
