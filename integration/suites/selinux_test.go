// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/machines/machinetest"
	"github.com/nodegate/nodegate/integration/node"
)

// domain is that of a container's processes, with a category of its own.
var domain = regexp.MustCompile(`^system_u:system_r:container_t:s0:c[0-9]+,c[0-9]+\x00?$`)

// podFiles is where the policy wants what the kubelet gives to pods.
const podFiles = "/var/lib/kubelet/pods"

// On a Debian machine with SELinux pods get what is granted, in the domain of containers, and
// the policy denies containerd, nodegate and containers nothing, while it is permissive and
// while it enforces.
func TestSELinux(t *testing.T) {
	if it.Inside() != "" {
		n := attach(t)
		t.Run("each", func(t *testing.T) { smokePods(t, n, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault}, domain) })
		return
	}
	m := start(t, machines.Options{System: machines.TrixieSELinux})
	bin, err := node.BinDir()
	it.Must(t, err)
	program, err := os.Executable()
	it.Must(t, err)
	m.installNode(bin, program, it.GrantApart(smokeProfiles...))
	// What init's own domain writes has another label than what an administrator writes.
	m.sh("restorecon -RF /etc/nodegate && mkdir -p "+podFiles+" && restorecon -RF /var/lib/kubelet", "")
	m.sh("sysctl -q kernel.printk_ratelimit=0", "")
	for i, mode := range []string{"Permissive", "Enforcing"} {
		t.Run(mode, func(t *testing.T) {
			m := &machine{t, m.Machine}
			m.sh("dmesg -C && setenforce "+string(rune('0'+i)), "")
			m.inside("TestSELinux", "pods", "TMPDIR="+podFiles)
			if denied := m.sh("dmesg | grep -E 'avc: +denied .*(dockerd_t|container|nodegate)' || true", ""); denied != "" {
				t.Errorf("denied, %d times:\n%s", strings.Count(denied, "\n")+1, denied)
			}
		})
	}
	machinetest.Documented(t, m.Machine)
	m.uninstallNode()
}
