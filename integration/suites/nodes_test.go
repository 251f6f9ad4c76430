// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// smokeProfiles are what a kind of node is looked at by: device nodes and a capability.
var smokeProfiles = []string{"fuse", "tun", "ping"}

// smokeAnswers are what a pod with these profiles finds.
var smokeAnswers = []it.QA{
	{"open /dev/fuse rw", "ok"}, {"ioctl-tun", "ok"}, {"ping 127.0.0.1", "reply from 127.0.0.1"}, {"open /dev/kmsg r", "ENOENT"},
}

// installNode puts nodegate, the probe and this program on the machine, as they are built
// for it, and installs nodegate by its documentation, with a policy.
func (m *machine) installNode(bin, test, policy string) {
	m.Helper()
	for _, name := range []string{"nodegate", "nodegate-runc", "probe"} {
		it.Must(m.T, m.Copy(m.Context(), filepath.Join(bin, name), "/root/nodegate/"+name))
	}
	it.Must(m.T, m.Copy(m.Context(), test, "/root/nodegate/test"))
	m.Log(m.sh("uname -rm && /root/nodegate/nodegate install --restart", ""))
	m.sh("cat >/etc/nodegate/config.toml", "version = 1\n"+policy)
	m.sh("nodegate check && systemctl reload nodegate && until nodegate status --strict >/dev/null 2>&1; do sleep 0.5; done", "")
	m.Log(m.sh("modprobe -a fuse tun; nodegate doctor || true", ""))
}

// inside runs a test's inner half on the machine, with more in its environment.
func (m *machine) inside(test, part string, more ...string) {
	m.Helper()
	env := append(more, "NODEGATE_INSIDE="+part, node.BinDirEnv+"=/root/nodegate", node.RequireEnv+"=1")
	if err := m.Stream(m.Context(), m.Output(), env, "/root/nodegate/test", "-test.run=^"+test+"$", "-test.v", "-test.timeout=15m"); err != nil {
		m.Errorf("part %q on the machine: %v", part, err)
	}
}

// uninstallNode sees that nothing is left of the pods, and takes nodegate off.
func (m *machine) uninstallNode() {
	m.Helper()
	if left := m.sh("find /run/nodegate/decisions /dev/.udev/nodegate -mindepth 1 2>/dev/null || true", ""); left != "" {
		m.Errorf("left behind: %s", left)
	}
	m.sh("nodegate uninstall --purge --restart", "")
}

// smokePods is the part on the machine: pods with and without a user namespace, by NRI and
// through nodegate-runc. Their processes are confined as it says.
func smokePods(t *testing.T, n *node.Node, container node.ContainerConfig, confined *regexp.Regexp) {
	for _, handler := range []string{"", "nodegate"} {
		for _, userns := range []bool{false, true} {
			t.Run(fmt.Sprintf("handler %q, user namespace %v", handler, userns), func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				pod := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Handler: handler, Annotations: it.AskFor(strings.Join(smokeProfiles, ","))})
				c := it.RunContainer(t, pod, container)
				it.ExpectEach(t, c, smokeAnswers)
				if got := it.Ask(t, c, "cat /proc/self/attr/current")[0]; !confined.MatchString(got) {
					t.Errorf("the container runs as %q", got)
				}
				it.Remove(t, pod)
				t.Logf("%.1f s", time.Since(began).Seconds())
			})
		}
	}
}

// attach is the machine's containerd, spoken to on the machine.
func attach(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.Attach(t.Context(), node.Options{SystemdCgroup: true})
	it.Must(t, err)
	t.Cleanup(func() { it.Must(t, n.Close()) })
	return n
}
