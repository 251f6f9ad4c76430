// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd takes every line of a drop-in: it would say of one that it ignores.
func TestSystemdVerifies(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("policy.toml", `version = 1
[profiles.node]
device_cgroup_rules = ["c 188:* rw", "b 7:3 r", "c *:* m", "b *:* rwm"]
cgroup = "writable"
[[profiles.node.devices]]
path = "/dev/serial/by-id/usb-1.0:1.0,a=b+c@d-port0"
access = "r"
[[profiles.node.devices]]
path = "/dev/null"
access = "m"
[[profiles.node.devices]]
path = "/dev/nul[l]"
container_path = "/dev/other"
access = "w"
[[profiles.node.devices]]
path = "/dev/a path, \"quoted\" 100%"
access = "rw"
[[grants]]
profiles = ["node", "fuse", "kvm", "tun"]
namespaces = ["*"]
`)
	verify := func(unit, instance, more string) string {
		t.Helper()
		root := rootCommand()
		var dropIn bytes.Buffer
		root.SetOut(&dropIn)
		root.SetArgs([]string{"render", "systemd", "--config", filepath.Join(dir, "policy.toml"), "--unit", unit, "--cgroup", "v1"})
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		write(unit, "[Service]\nExecStart=/bin/sh\n")
		write(unit+".d/nodegate.conf", dropIn.String()+more)
		cmd := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, instance))
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":", "SYSTEMD_LOG_LEVEL=info")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", unit, err, out)
		}
		return string(out)
	}
	for unit, instance := range map[string]string{"node.service": "node.service", "systemd-nspawn@.service": "systemd-nspawn@node.service"} {
		if said := verify(unit, instance, ""); strings.Contains(said, "nodegate.conf") {
			t.Errorf("%s: %s", unit, said)
		}
	}
	// What it would say.
	if said := verify("node.service", "node.service", "DeviceAllow=fuse rw\n"); !strings.Contains(said, "nodegate.conf:") {
		t.Errorf("of a bad line, systemd-analyze said %q", said)
	}
}
