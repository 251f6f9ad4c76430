// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/oci"
)

// nvidia is what NVIDIA's toolkit writes into containerd's configuration.
const nvidia = `version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runc"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
    runtime_type = "io.containerd.kata.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
    privileged_without_host_devices = true
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
      BinaryName = "/usr/bin/nvidia-container-runtime"
      SystemdCgroup = true
`

// wrapper reads runc.toml as the wrapper does.
func (h *host) wrapper() oci.Settings {
	h.Helper()
	s, err := oci.ParseSettings(wrapperPath, []byte(h.read(wrapperPath)))
	h.must(err)
	return s
}

func TestWrapRuntime(t *testing.T) {
	h := newHost(t, "")
	h.write(h.config, nvidia)
	before := h.tree()
	h.install()
	unasked := h.read(h.config)
	if strings.Contains(unasked, "nodegate-nvidia") || len(h.wrapper().Runtimes) != 0 {
		t.Errorf("unasked:\n%s", unasked)
	}
	h.o.Wrap = []string{"nvidia"}
	h.install()
	h.again()
	for _, want := range []string{
		`runtimes.nodegate-nvidia]`, `BinaryName = "/usr/local/bin/nodegate-runc-nvidia"`, `privileged_without_host_devices = true`,
		`BinaryName = "/usr/bin/nvidia-container-runtime"`,
	} {
		if text := h.read(h.config); !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if own := h.read(h.config); strings.Count(own, "SystemdCgroup = true") != 2 {
		t.Errorf("the options are not carried over:\n%s", own)
	}
	if s := h.wrapper(); s.Path != "runc" || s.Runtimes["nvidia"] != "/usr/bin/nvidia-container-runtime" {
		t.Errorf("runc.toml says %+v", s)
	}
	if h.read("/usr/local/bin/nodegate-runc-nvidia") != h.read("/usr/local/bin/nodegate-runc") {
		t.Error("nodegate-runc-nvidia is not the wrapper")
	}
	if text := h.read(handlersPath); !strings.Contains(text, `handlers = ["nodegate", "nodegate-nvidia"]`) {
		t.Errorf("%s says %s", handlersPath, text)
	}
	// By default as well, then without: no list keeps what an earlier run wrote.
	h.o.DefaultRuntime = true
	h.install()
	if text := h.read(handlersPath); !strings.Contains(text, `handlers = ["", "nodegate", "nodegate-nvidia"]`) {
		t.Errorf("%s says %s", handlersPath, text)
	}
	h.o.DefaultRuntime, h.o.Wrap = true, nil
	h.install()
	if text := h.read(handlersPath); !strings.Contains(text, `handlers = ["", "nodegate"]`) {
		t.Errorf("%s says %s", handlersPath, text)
	}
	h.o.DefaultRuntime = false
	h.install()
	if got := h.read(h.config); got != unasked || (Tree{h.root}).exists(handlersPath) {
		t.Errorf("without the flag:\n%s\nwant\n%s", got, unasked)
	}
	h.uninstall()
	h.same(before, "after the removal")
}

func TestWrapRuntimeOnCRIO(t *testing.T) {
	h := newCRIO(t)
	before := h.tree()
	h.o.Wrap = []string{"runc"}
	h.install()
	h.again()
	text := h.read(crioD + crioDropIn)
	if !strings.Contains(text, "[crio.runtime.runtimes.nodegate-runc]\n  runtime_path = \"/usr/local/bin/nodegate-runc-runc\"\n  monitor_path = \"/usr/libexec/crio/conmon\"\n  runtime_root = \"/run/runc\"\n") {
		t.Errorf("the drop-in is\n%s", text)
	}
	if s := h.wrapper(); s.Path != "/usr/libexec/crio/crun" || s.Runtimes["runc"] != "/usr/libexec/crio/runc" {
		t.Errorf("runc.toml says %+v", s)
	}
	h.uninstall()
	h.same(before, "after the removal")
}

func TestWrapRuntimeRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		wrap   string
		change func(h *host)
		want   string
	}{
		"no such handler": {"gpu", nil, `containerd's configuration has no such runtime handler; it has kata, nvidia, runc`},
		"another shim":    {"kata", nil, `its runtime_type is "io.containerd.kata.v2"`},
		"ours":            {"nodegate", nil, "is nodegate's own handler"},
		"a path":          {"../x", nil, "is not the name of a runtime handler"},
		"ours already": {"nvidia", func(h *host) {
			h.write(h.config, strings.Replace(nvidia, "/usr/bin/nvidia-container-runtime", "/usr/local/bin/nodegate-runc", 1))
		}, "it runs nodegate-runc already"},
		"a relative path": {"nvidia", func(h *host) {
			h.write(h.config, strings.Replace(nvidia, "/usr/bin/nvidia-container-runtime", "bin/nvidia", 1))
		}, `"bin/nvidia" is neither a name nor an absolute path`},
		"a handler of that name": {"nvidia", func(h *host) {
			h.write(h.config, nvidia+"[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nodegate-nvidia]\nruntime_type = \"io.containerd.runc.v2\"\n")
		}, `a runtime handler "nodegate-nvidia" already, whose BinaryName is ""`},
		"a runc.toml of one's own": {"nvidia", func(h *host) { h.write(wrapperPath, "version = 1\n") },
			"/etc/nodegate/runc.toml is yours and does not say which runtime the wrapper becomes for --wrap-runtime: write\n\n[runtimes]"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, "")
			h.write(h.config, nvidia)
			if tc.change != nil {
				tc.change(h)
			}
			h.o.Wrap = []string{tc.wrap}
			before := h.tree()
			_, err := NewPlan(t.Context(), h.o)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			h.same(before, "after a refusal")
		})
	}
	h := newHost(t, "")
	h.write(h.config, nvidia)
	h.o.Wrap = []string{"nvidia", "nvidia"}
	if _, err := NewPlan(t.Context(), h.o); err == nil || !strings.Contains(err.Error(), "is written twice") {
		t.Error(err)
	}
	// One of one's own that says it is enough.
	h.write(wrapperPath, "version = 1\nexempt_namespaces = [\"kube-system\", \"nodegate\"]\n[runtimes]\nnvidia = \"/usr/bin/nvidia-container-runtime\"\n")
	h.must(os.Chmod(h.at(wrapperPath), 0o600))
	h.o.Wrap = []string{"nvidia"}
	h.install()
}
