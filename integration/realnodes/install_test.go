// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
)

// policy grants built-in profiles to namespace "ci", and what podman needs beside "nested"
// below a containerd with the limits of its own unit: docs/nested.md.
const policy = `version = 1
[profiles.podman]
rlimits = { nofile = "1048576" }
[[grants]]
namespaces = ["ci"]
profiles = ["podman"]
[[grants]]
namespaces = ["ci"]
profiles = ["ping"]
[[grants]]
namespaces = ["ci"]
profiles = ["fuse"]
[[grants]]
namespaces = ["ci"]
profiles = ["tun"]
[[grants]]
namespaces = ["ci"]
profiles = ["no-mknod"]
[[grants]]
namespaces = ["ci"]
profiles = ["systemd"]
[[grants]]
namespaces = ["ci"]
profiles = ["nested"]
`

// install installs nodegate as docs/install.md says, with the policy.
func (m *machine) install() {
	m.Helper()
	m.installBy(programs + "/nodegate")
}

func (m *machine) installBy(program string) {
	m.Helper()
	m.sh(program + " install --restart")
	m.becomes("systemctl is-active nodegate", "active")
	m.policy(policy)
}

// policy gives the agent another policy.
func (m *machine) policy(text string) {
	m.Helper()
	m.write("/etc/nodegate/config.toml", text)
	m.sh("nodegate check && systemctl reload nodegate && until nodegate status --strict >/dev/null 2>&1; do sleep 0.2; done")
}

// On a Debian machine with systemd, pure cgroup v2 and AppArmor the installation is two
// commands, doctor finds nothing, pods get what is granted, and nothing is left behind.
func TestInstall(t *testing.T) {
	if it.Inside() == "pods" {
		installedPods(t)
		return
	}
	m := start(t, machines.Options{})
	if got := m.sh("stat -fc %T /sys/fs/cgroup; cat /sys/module/apparmor/parameters/enabled; systemctl show containerd -p LimitNOFILE"); got != "cgroup2fs\nY\nLimitNOFILE=524288" {
		t.Fatalf("not the machine that this test is about: %s", got)
	}
	before := m.listing()
	m.install()
	if said := m.sh("nodegate doctor; nodegate doctor --strict -o json | grep -c problem || true"); !strings.HasSuffix(said, "\n0") {
		t.Errorf("doctor finds problems: %s", said)
	}
	m.inside("pods")
	m.sh("nodegate uninstall --purge --restart")
	m.becomes("systemctl is-active containerd", "active")
	m.unchanged(before, "installed and taken off")
}
