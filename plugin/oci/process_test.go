// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/record"
)

// These tests run the real program, with a shell script as the real runtime
// that says how it was called.

const fakeRuntime = `#!/bin/sh
printf '%s\0' "$0" "$@" >"$FAKE_OUT.args"
tr '\0' '\n' </proc/self/environ >"$FAKE_OUT.env"
echo $$ $PPID >"$FAKE_OUT.pid"
exit 42
`

// node is a place with a wrapper, its configuration and a bundle.
type node struct {
	t       testing.TB
	dir     string
	wrapper string
	bundle  string
	log     string
	store   *record.Store
}

func newNode(t testing.TB) *node {
	t.Helper()
	requireRoot(t)
	n := &node{t: t, dir: t.TempDir()}
	n.bundle = filepath.Join(n.dir, "bundle")
	n.log = filepath.Join(n.bundle, "log.json")
	n.mkdir(n.bundle)
	n.mkdir(filepath.Join(n.dir, "bin"))
	n.wrapper = build(t, "-X main.configPath="+n.path("runc.toml"))
	n.write("bin/fake-runc", fakeRuntime, 0o755)
	n.configure("")
	var err error
	if n.store, err = record.Open(n.path("state")); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

func (n *node) mkdir(dir string) {
	n.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) write(name, text string, mode os.FileMode) {
	n.t.Helper()
	if err := os.WriteFile(n.path(name), []byte(text), mode); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Chmod(n.path(name), mode); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) configure(more string) {
	n.t.Helper()
	n.write("runc.toml", fmt.Sprintf("version = 1\npath = %q\nstate_dir = %q\n%s\n", n.path("bin/fake-runc"), n.path("state"), more), 0o644)
}

// spec writes a config.json of a container with annotations.
func (n *node) spec(uid int, annotations map[string]string, linux string) string {
	n.t.Helper()
	a, err := json.Marshal(annotations)
	if err != nil {
		n.t.Fatal(err)
	}
	text := fmt.Sprintf(`{"ociVersion":"1.2.0","process":{"user":{"uid":%d,"gid":%d},"args":["/probe"],"cwd":"/","env":["PATH=/bin"],"capabilities":{"bounding":["CAP_KILL"],"permitted":["CAP_KILL"],"effective":["CAP_KILL"]}},"annotations":%s,"linux":%s}`,
		uid, uid, a, linux)
	n.write("bundle/config.json", text, 0o640)
	return text
}

// decide writes a record and returns annotations that name it.
func (n *node) decide(a change.Adjustment) map[string]string {
	n.t.Helper()
	r, err := record.New()
	if err != nil {
		n.t.Fatal(err)
	}
	r.ContainerID, r.Adjustment = "c1", a
	if err := n.store.Write(r); err != nil {
		n.t.Fatal(err)
	}
	out := pod("ci")
	out[record.Annotation] = r.Nonce
	return out
}

func pod(namespace string) map[string]string {
	return map[string]string{
		"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "p1",
		"io.kubernetes.cri.sandbox-namespace": namespace, "io.kubernetes.cri.sandbox-name": "build-1",
		"io.kubernetes.cri.container-name": "main",
	}
}

// outcome is how a run ended.
type outcome struct {
	status int
	args   []string // what the real runtime was called with; nil if it was not
	env    string
	stderr string
	logged string // the last error in the log
}

func (n *node) run(args ...string) outcome {
	n.t.Helper()
	return n.runAs(append([]string{"some-name"}, args...))
}

func (n *node) runAs(argv []string) outcome {
	n.t.Helper()
	for _, old := range []string{"out.args", "out.env", "out.pid"} {
		_ = os.Remove(n.path(old))
	}
	var stderr bytes.Buffer
	cmd := &exec.Cmd{Path: n.wrapper, Args: argv, Stderr: &stderr, Dir: n.bundle,
		Env: []string{"PATH=" + n.path("bin") + ":/usr/bin:/bin", "FAKE_OUT=" + n.path("out"), "ODD=a=b\nc", "NODEGATE_CONFIG=/nowhere"}}
	_ = cmd.Run()
	got := outcome{status: cmd.ProcessState.ExitCode(), stderr: stderr.String()}
	if args, err := os.ReadFile(n.path("out.args")); err == nil {
		got.args = strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")
		env, _ := os.ReadFile(n.path("out.env"))
		got.env = string(env)
	}
	if log, err := os.ReadFile(n.log); err == nil {
		got.logged = lastError(n.t, log)
		_ = os.Remove(n.log)
	}
	return got
}

// lastError reads a log as containerd's shim does.
func lastError(t testing.TB, log []byte) string {
	t.Helper()
	last := ""
	for d := json.NewDecoder(bytes.NewReader(log)); d.More(); {
		var line struct{ Level, Msg, Time string }
		if err := d.Decode(&line); err != nil {
			t.Fatalf("the log is not what containerd reads: %v\n%s", err, log)
		}
		if line.Level == "error" {
			last = line.Msg
		}
	}
	return last
}

func (n *node) create() outcome {
	n.t.Helper()
	return n.run("--log", n.log, "--log-format", "json", "create", "--bundle", n.bundle, "c1")
}

// wantRefused makes sure that nothing was run and that both places say why.
func (n *node) wantRefused(got outcome, part string) {
	n.t.Helper()
	if got.status == 0 || got.status == 42 || got.args != nil {
		n.t.Errorf("it was run: %+v", got)
	}
	for where, text := range map[string]string{"stderr": got.stderr, "the log": got.logged} {
		if !strings.Contains(text, part) || !strings.HasPrefix(text, "nodegate: ") {
			n.t.Errorf("%s says %q, want %q", where, text, part)
		}
	}
}

func (n *node) config() string {
	n.t.Helper()
	data, err := os.ReadFile(n.path("bundle/config.json"))
	if err != nil {
		n.t.Fatal(err)
	}
	return string(data)
}

// build builds the wrapper as it is shipped, but for the linker flags.
func build(t testing.TB, flags string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "nodegate-runc")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w "+flags, "-o", out, "github.com/nodegate/nodegate/cmd/nodegate-runc")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the wrapper: %v\n%s", err, text)
	}
	return out
}

func requireRoot(t testing.TB) {
	t.Helper()
	missing(t, os.Geteuid() != 0, "records belong to root: run the tests as root")
}

// missing skips a test that cannot run here, or fails it where tests must not
// be skipped.
func missing(t testing.TB, is bool, what string) {
	t.Helper()
	switch {
	case !is:
	case os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") == "1":
		t.Fatal(what)
	default:
		t.Skip(what)
	}
}
