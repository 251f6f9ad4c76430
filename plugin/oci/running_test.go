// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

const killProcess = `{"user":{"uid":0}, "capabilities":{"bounding":["CAP_KILL"]}}`

// state writes what runc keeps of a container: its id and labels, which are its
// annotations and then the bundle.
func (n *node) state(id, bundle string, annotations ...string) {
	n.t.Helper()
	n.mkdir(n.path("root/c1"))
	text, err := json.Marshal(map[string]any{"id": id, "init_process_pid": 1, "config": map[string]any{
		"rootfs": "/r", "labels": append(annotations, "bundle="+bundle)}})
	if err != nil {
		n.t.Fatal(err)
	}
	n.write("root/c1/state.json", string(text), 0o600)
}

// exec runs it as CRI-O does, and returns the process as it then is.
func (n *node) exec() (outcome, string) {
	n.t.Helper()
	n.write("process.json", killProcess, 0o600)
	got := n.run("--root", n.path("root"), "exec", "--process", n.path("process.json"), "c1")
	text, err := os.ReadFile(n.path("process.json"))
	if err != nil {
		n.t.Fatal(err)
	}
	return got, string(text)
}

// TestExecFindsTheBundle: CRI-O names the runtime's root and the container, and
// no log. What create changed must hold all the same.
func TestExecFindsTheBundle(t *testing.T) {
	n := newNode(t)
	n.spec(0, n.decide(mknod), "{}")
	if got := n.create(); got.status != 42 {
		t.Fatalf("%+v", got)
	}
	changed := func(name string) {
		t.Helper()
		if got, text := n.exec(); got.status != 42 || !strings.Contains(text, "CAP_MKNOD") || strings.Contains(text, "CAP_KILL") {
			t.Errorf("%s: %+v, %s", name, got, text)
		}
	}
	n.state("c1", n.bundle, "io.kubernetes.cri-o.ContainerType=container")
	changed("runc's state")
	// CRI-O passes a pod's annotations on, and runc puts them before its own.
	n.mkdir(n.path("elsewhere"))
	n.write("elsewhere/config.json", "{}", 0o600)
	n.state("c1", n.bundle, "bundle="+n.path("elsewhere"))
	changed("an annotation that is called bundle")
	_ = os.Remove(n.path("root/c1/state.json"))
	n.write("root/c1/status", `{"pid":1,"rootfs":"/r","bundle":"`+n.bundle+`"}`, 0o600)
	changed("crun's state")

	// Of a container that nothing was changed in, nothing is.
	n.state("c1", n.path("elsewhere"))
	if got, text := n.exec(); got.status != 42 || text != killProcess {
		t.Errorf("%+v, %s", got, text)
	}
	// A log that lies elsewhere, even in another container's bundle, does not mislead.
	n.state("c2", n.bundle)
	if err := os.Rename(n.path("root/c1"), n.path("root/c2")); err != nil {
		t.Fatal(err)
	}
	n.write("process.json", killProcess, 0o600)
	n.wantRefused(n.run("--root", n.path("root"), "--log", n.log, "--log-format", "json", "exec", "-p", n.path("process.json"), "c2"), "it is another container's bundle")
	n.state("c1", n.bundle)
	n.write("log.json", "", 0o600)
	got := n.run("--root", n.path("root"), "--log", n.path("log.json"), "exec", "-p", n.path("process.json"), "c1")
	if text, _ := os.ReadFile(n.path("process.json")); got.status != 42 || !strings.Contains(string(text), "CAP_MKNOD") {
		t.Errorf("%+v, %s", got, text)
	}
}

// TestExecRefusesWhatItCannotFind: an exec whose container's change is not
// known would have the capability that was taken away.
func TestExecRefusesWhatItCannotFind(t *testing.T) {
	n := newNode(t)
	n.spec(0, n.decide(mknod), "{}")
	if got := n.create(); got.status != 42 {
		t.Fatalf("%+v", got)
	}
	refused := func(part string) {
		t.Helper()
		got, text := n.exec()
		got.logged = got.stderr // it was given no log
		n.wantRefused(got, part)
		if !strings.HasPrefix(got.stderr, `nodegate: exec in container "c1": what nodegate changed in it is not known: `) || text != killProcess {
			t.Errorf("%+v, %s", got, text)
		}
	}
	refused("its runtime keeps no state in " + n.path("root"))
	for bundle, part := range map[string]string{
		n.path("absent"): "which holds no config.json", "bundle": `the bundle "bundle", which holds no`, "": `the bundle "", which holds no`,
	} {
		n.state("c1", bundle)
		refused(part)
	}
	n.state("c2", n.bundle)
	refused(`is of container "c2"`)
	for text, part := range map[string]string{
		"{": "is not JSON", "[]": "is not a JSON object", "{}": "which holds no config.json", `{"config":{"labels":7}}`: "is not what belongs",
		`{"id":"c1","ID":"c1","config":{}}`: "runtimes would not agree",
	} {
		n.write("root/c1/state.json", text, 0o600)
		refused(part)
	}
	n.state("c1", n.bundle)
	n.write("root/c1/state.json", strings.Repeat(" ", 17<<20), 0o600)
	refused("more than the")
	n.state("c1", n.bundle)
	if err := os.Chmod(n.path("root/c1/state.json"), 0o622); err != nil {
		t.Fatal(err)
	}
	refused("can be written by others")
	if err := os.Rename(n.path("root/c1/state.json"), n.path("root/real.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(n.path("root/real.json"), n.path("root/c1/state.json")); err != nil {
		t.Fatal(err)
	}
	refused("is a symbolic link")
	got := n.run("--root", n.path("root/c1"), "exec", "--process", n.path("process.json"), "../c1")
	got.logged = got.stderr
	n.wantRefused(got, `"../c1" is not a container id`)
}
