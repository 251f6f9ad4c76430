// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// A mistake elsewhere in runc.toml does not hide which runtime it is that runs the
// containers. Another could neither stop them nor run a probe in them.
func TestBrokenConfigurationNamesTheRuntime(t *testing.T) {
	n := newNode(t)
	n.spec(0, n.decide(mknod), "{}")
	if got := n.create(); got.status != 42 {
		t.Fatalf("%+v", got)
	}
	n.write("bin/runc", "#!/bin/sh\nexit 7\n", 0o755) // the default, which must not be taken
	for _, mistake := range []string{`runtime = "x"`, `exempt_namespaces = ["*"]`, `exempt_namespaces = 1`, "state = [", "= = ="} {
		n.configure(mistake)
		for _, args := range [][]string{{"--log", n.log, "delete", "c1"}, {"--log", n.log, "kill", "c1", "9"}, {"features"}} {
			if got := n.run(args...); got.status != 42 || !slices.Equal(got.args[1:], args) {
				t.Errorf("%q, %s: %+v", args, mistake, got)
			}
		}
		n.write("process.json", `{"capabilities":{"bounding":["CAP_KILL"]}}`, 0o600)
		got := n.run("--log", n.log, "--log-format", "json", "exec", "--process", n.path("process.json"), "c1")
		if text, _ := os.ReadFile(n.path("process.json")); got.status != 42 || !strings.Contains(string(text), `"bounding":["CAP_MKNOD"]`) {
			t.Errorf("exec, %s: %+v, %s", mistake, got, text)
		}
		n.wantRefused(n.create(), "runc.toml")
	}
	for _, useless := range []string{"path = \"\"\nx = 1\n", "path = \"bin/runc\"\n", "path = 1\n"} {
		n.write("runc.toml", useless, 0o644)
		if got := n.run("--log", n.log, "delete", "c1"); got.status != 7 {
			t.Errorf("%s: %+v", useless, got)
		}
	}
}
