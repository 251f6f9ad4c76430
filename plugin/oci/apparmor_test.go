// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"os"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/change"
)

// containerd writes the process of an exec from its own copy of the spec, which
// has the profile that the container had before.
func TestExecAppArmor(t *testing.T) {
	const before = `{"user":{"uid":0},"apparmorProfile":"cri-containerd.apparmor.d","capabilities":{"bounding":["CAP_KILL"]}}`
	for profile, want := range map[string]string{
		"nodegate-mounts": strings.Replace(before, "cri-containerd.apparmor.d", "nodegate-mounts", 1),
		"unconfined":      strings.Replace(before, `,"apparmorProfile":"cri-containerd.apparmor.d"`, "", 1),
		"":                before,
	} {
		n := newNode(t)
		n.spec(0, n.decide(change.Adjustment{AppArmor: profile, Env: map[string]string{"a": "b"}}), "{}")
		if got := n.create(); got.status != 42 {
			t.Fatalf("%+v", got)
		}
		n.write("process.json", before, 0o600)
		got := n.run("--root", n.path("root"), "--log", n.log, "--log-format", "json", "exec", "--process", n.path("process.json"), "c1")
		text, err := os.ReadFile(n.path("process.json"))
		if err != nil {
			t.Fatal(err)
		}
		if got.status != 42 || string(text) != want {
			t.Errorf("%q: %+v\n got %s\nwant %s", profile, got, text, want)
		}
	}
}
