// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/machines/machinetest"
)

// policy grants built-in profiles to namespace "ci", and limits above those of containerd's
// own unit: what podman needs beside "nested" (docs/nested.md), and what DPDK does.
const policy = `version = 1
[profiles.podman]
rlimits = { nofile = "1048576" }
[profiles.dpdk]
rlimits = { memlock = "unlimited" }
[[grants]]
namespaces = ["ci"]
profiles = ["podman"]
[[grants]]
namespaces = ["ci"]
profiles = ["dpdk"]
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

// patient has containerd wait for an agent that answers late on a busy machine, for a test of
// something else. It holds from containerd's next start.
func (m *machine) patient() {
	m.Helper()
	m.sh("sed -i \"s/plugin_request_timeout = '2s'/plugin_request_timeout = '1m'/\" /etc/containerd/config.toml && grep -q \"plugin_request_timeout = '1m'\" /etc/containerd/config.toml")
}

// reload has the agent take the policy that was written, and waits until it has.
const reload = "nodegate check && systemctl reload nodegate && until nodegate status --strict >/dev/null 2>&1; do sleep 0.2; done"

// policy gives the agent another policy.
func (m *machine) policy(text string) {
	m.Helper()
	m.write(nodeConfig, text)
	m.sh(reload)
}

// On a Debian machine with systemd, pure cgroup v2 and AppArmor the installation is two
// commands, or changes nothing where the disk is full; doctor finds nothing, pods get what
// is granted, an upgrade is two commands, and nothing is left behind in the end.
func TestInstall(t *testing.T) {
	if part := it.Inside(); part != "" {
		map[string]func(*testing.T){
			"pods": installedPods, "before": leavePod, "after": upgradedPods,
		}[part](t)
		return
	}
	t.Parallel()
	m := start(t, machines.Options{})
	if got := m.sh("stat -fc %T /sys/fs/cgroup; cat /sys/module/apparmor/parameters/enabled; systemctl show containerd -p LimitNOFILE"); got != "cgroup2fs\nY\nLimitNOFILE=524288" {
		t.Fatalf("not the machine that this test is about: %s", got)
	}
	before := m.listing()
	t.Run("on a full disk", func(t *testing.T) { m.in(t).notInstalled(before) })
	m.install()
	if said := m.sh("nodegate doctor; nodegate doctor --strict -o json | grep -c problem || true"); !strings.HasSuffix(said, "\n0") {
		t.Errorf("doctor finds problems: %s", said)
	}
	t.Run("pods", func(t *testing.T) {
		m := m.in(t)
		m.inside("pods")
		machinetest.Documented(t, m.Machine)
	})
	m.nothingLeft()
	t.Run("upgrade", func(t *testing.T) { m.in(t).upgrade() })
	m.sh("nodegate uninstall --purge --restart")
	m.becomes("systemctl is-active containerd", "active")
	m.unchanged(before, "installed and taken off")
}

// notInstalled sees that an installation that finds no room changes nothing.
func (m *machine) notInstalled(before map[string]bool) {
	m.Helper()
	// The last of it is what a large file's own description takes.
	m.sh("fallocate -l $(( $(df --output=avail -B1 / | tail -n1) - (64 << 20) )) /root/full; cat /dev/zero >/root/full-too 2>/dev/null || df -B1 /")
	if said, err := m.try(programs + "/nodegate install --restart"); err == nil || !strings.Contains(said+err.Error(), "no space left on device") {
		m.Errorf("it is installed: %s, %v", said, err)
	}
	m.sh("rm /root/full*")
	m.unchanged(before, "an installation on a full disk")
}
