// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// Wrapped is the runtime handler whose BinaryName is nodegate-runc; the default one is
// runc itself.
const Wrapped = "nodegate"

// BuiltWrapper is nodegate-runc with its configuration at a path of the test.
type BuiltWrapper struct{ Program, Config string }

// BuildWrapper compiles nodegate-runc for the test.
func BuildWrapper(t *testing.T) *BuiltWrapper {
	t.Helper()
	dir := t.TempDir()
	w := &BuiltWrapper{filepath.Join(dir, "nodegate-runc"), filepath.Join(dir, "runc.toml")}
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.configPath="+w.Config, "-o", w.Program, "github.com/nodegate/nodegate/cmd/nodegate-runc")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building nodegate-runc: %v\n%s", err, text)
	}
	// containerd asks for the runtime's features when it starts, before there is an agent.
	w.Configure(t, filepath.Join(dir, "none"))
	return w
}

// Configure names the agent whose records it carries out.
func (w *BuiltWrapper) Configure(t *testing.T, state string) {
	t.Helper()
	bin, err := node.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("version = 1\npath = %q\nstate_dir = %q\n", filepath.Join(bin, "runc"), state)
	if err := os.WriteFile(w.Config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// BuildCommand compiles a command as it is shipped: static and stripped.
func BuildCommand(t testing.TB, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "command")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, text)
	}
	return out
}

// WrappedNode is a node whose handler "nodegate" runs nodegate-runc, which passes
// containers of kube-system and nodegate without a record.
func WrappedNode(t *testing.T, o node.Options) (*node.Node, *BuiltWrapper) {
	t.Helper()
	w := BuildWrapper(t)
	o.Handlers = map[string]string{Wrapped: w.Program}
	bin, err := node.BinDir()
	Must(t, err)
	o.PATH = bin // where the wrapper looks for runc while nothing tells it another path
	n := StartNode(t, o)
	w.Exempt(t, filepath.Join(n.Dir(), "none"))
	return n, w
}

// Exempt configures the wrapper as docs/wrapper.md does for a default runtime.
func (w *BuiltWrapper) Exempt(t *testing.T, state string) {
	t.Helper()
	w.Configure(t, state)
	text, err := os.ReadFile(w.Config)
	Must(t, err)
	Must(t, os.WriteFile(w.Config, append(text, "exempt_namespaces = [\"kube-system\", \"nodegate\"]\n"...), 0o644))
}
