// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// installer is what the chart's init containers have: the host's root, two capabilities,
// and nothing else.
var installer = node.ContainerConfig{
	DropCapabilities:       []string{"ALL"},
	AddCapabilities:        []string{"SYS_CHROOT", "CHOWN"},
	NoNewPrivs:             true,
	ReadOnlyRootFilesystem: true,
	Seccomp:                node.SeccompRuntimeDefault,
	Mounts: []node.Mount{
		{HostPath: "/", ContainerPath: "/host"},
		{HostPath: it.InsideBin + "/nodegate", ContainerPath: "/usr/bin/nodegate", ReadOnly: true},
		{HostPath: it.InsideBin + "/nodegate-runc", ContainerPath: "/usr/bin/nodegate-runc", ReadOnly: true},
	},
}

// podMachine is a machine that is installed on from a pod.
type podMachine struct {
	*testing.T
	n    *node.Node
	runs int
}

// command runs nodegate in an init container until that ends, across restarts of
// containerd, and returns its exit code and what it said.
func (m *podMachine) command(c node.ContainerConfig, args ...string) (int32, string) {
	m.Helper()
	m.runs++
	p, err := m.n.RunPod(m.Context(), node.PodConfig{Name: fmt.Sprintf("installer-%d", m.runs), Namespace: "gate"})
	it.Must(m.T, err)
	c.Name = "install"
	c.Command = append([]string{"/usr/bin/nodegate"}, args...)
	container, err := p.RunContainer(m.Context(), c)
	it.Must(m.T, err)
	var code int32
	for until := time.Now().Add(it.Limit); ; time.Sleep(100 * time.Millisecond) {
		if code, err = container.Wait(m.Context()); err == nil || time.Now().After(until) {
			break // containerd answers nothing while it is restarted
		}
	}
	it.Must(m.T, err)
	log, err := container.Log()
	it.Must(m.T, err)
	it.Must(m.T, p.Remove(m.Context()))
	var said []string
	for line := range strings.Lines(log) { // TIME STREAM TAG TEXT
		if parts := strings.SplitN(line, " ", 4); len(parts) == 4 {
			said = append(said, parts[3])
		}
	}
	m.Logf("nodegate %s: %d\n%s", strings.Join(args, " "), code, strings.Join(said, ""))
	return code, strings.Join(said, "")
}

// expect runs nodegate and wants a code, and words in what it says.
func (m *podMachine) expect(code int32, want []string, args ...string) {
	m.Helper()
	got, said := m.command(installer, args...)
	if got != code {
		m.Errorf("nodegate %s: code %d, want %d", strings.Join(args, " "), got, code)
	}
	for _, w := range want {
		if !strings.Contains(said, w) {
			m.Errorf("nodegate %s does not say %q", strings.Join(args, " "), w)
		}
	}
}

// restarts says whether containerd is another process after something.
func (m *podMachine) restarts(do func()) bool {
	m.Helper()
	const pid = "systemctl show containerd -p MainPID --value"
	before := shell(m.T, pid)
	do()
	it.Must(m.T, m.n.WaitReady(m.Context()))
	return shell(m.T, pid) != before
}

// installFromPod installs as the chart does: an init container with the host's root.
func installFromPod(t *testing.T, n *node.Node) {
	m := &podMachine{T: t, n: n}
	// A configuration of its own group without imports, so that it is edited.
	shell(t, `sed -i "s|^imports = .*|imports = []|" /etc/containerd/config.toml && chgrp 42 /etc/containerd/config.toml && chmod 0640 /etc/containerd/config.toml && systemctl restart containerd`)
	it.Must(t, n.WaitReady(t.Context()))
	before := listing(t)
	install := []string{"install", "--root", "/host", "--no-agent", "--exempt-namespace", "kube-system", "--exempt-namespace", "gate"}
	restart := append(install[:len(install):len(install)], "--restart")
	uninstall := []string{"uninstall", "--root", "/host", "--no-agent", "--purge", "--restart"}

	t.Run("what it may not", func(t *testing.T) {
		m := &podMachine{T: t, n: n, runs: 100}
		for name, want := range map[string]string{"SYS_CHROOT": "in a container this takes the capability SYS_CHROOT", "CHOWN": "in a container this takes the capability CHOWN"} {
			c := installer
			c.AddCapabilities = []string{map[string]string{"SYS_CHROOT": "CHOWN", "CHOWN": "SYS_CHROOT"}[name]}
			if code, said := m.command(c, restart...); code != 1 || !strings.Contains(said, want) {
				t.Errorf("without %s: code %d", name, code)
			}
			gone(t, before)
		}
	})
	t.Run("a containerd that does not start", func(t *testing.T) {
		m := &podMachine{T: t, n: n, runs: 200}
		shell(t, `mkdir -p /run/systemd/system/containerd.service.d && printf '[Service]\nExecStartPre=/bin/sh -c "! grep -q nodegate-runc /etc/containerd/config.toml"\n' >/run/systemd/system/containerd.service.d/test.conf && systemctl daemon-reload`)
		m.expect(1, []string{"containerd did not start with this configuration, and runs with its former one again"}, restart...)
		shell(t, "rm -r /run/systemd/system/containerd.service.d && systemctl daemon-reload && systemctl reset-failed")
		it.Must(t, n.WaitReady(t.Context()))
		gone(t, before)
	})
	t.Run("installed", func(t *testing.T) {
		m := &podMachine{T: t, n: n, runs: 300}
		if m.restarts(func() {
			m.expect(0, []string{"For containerd to take this up: systemctl restart containerd\n"}, install...)
		}) {
			t.Error("containerd was restarted, which nobody asked for")
		}
		// As if it had been interrupted before the restart.
		if !m.restarts(func() { m.expect(0, []string{"systemctl restart containerd\n", "containerd is active\n"}, restart...) }) {
			t.Error("containerd was not restarted")
		}
		if m.restarts(func() { m.expect(0, []string{"nothing to do\n"}, restart...) }) {
			t.Error("containerd was restarted without need")
		}
		if said := shell(t, "stat -c '%a %g' /etc/containerd/config.toml && ls /etc/nodegate"); said != "640 42\nrunc.toml" {
			t.Errorf("there is %s", said)
		}
		m.usedFromPod(uninstall)
	})
	if !m.restarts(func() { m.expect(0, []string{"containerd is active\n"}, uninstall...) }) {
		t.Error("containerd was not restarted")
	}
	gone(t, before)
	m.expect(0, []string{"nothing is installed\n"}, uninstall...)

	t.Run("read-only /usr", func(t *testing.T) {
		m := &podMachine{T: t, n: n, runs: 400}
		shell(t, "mount --rbind /usr /usr && mount -o remount,ro,bind /usr")
		m.expect(0, []string{"/opt/nodegate/bin/nodegate-runc: written"}, restart...)
		m.run("/opt/nodegate/bin/nodegate")
		m.expect(0, []string{"containerd is active\n"}, uninstall...)
		shell(t, "umount -l /usr")
		gone(t, before)
	})
}

// usedFromPod runs pods behind the wrapper that was installed, with an agent whose
// directories the kubelet has made, and shows that the wrapper stays for them.
func (m *podMachine) usedFromPod(uninstall []string) {
	m.Helper()
	shell(m.T, "mkdir -p /run/nodegate /dev/.udev/nodegate")
	m.run("/usr/local/bin/nodegate")
	p, err := m.n.RunPod(m.Context(), node.PodConfig{Name: "waits", Namespace: "gate", Handler: it.Wrapped})
	it.Must(m.T, err)
	_, err = p.RunContainer(m.Context(), node.ContainerConfig{}) // exempt, without an agent
	it.Must(m.T, err)
	m.expect(1, []string{"nodegate-runc and runc.toml stay for 2 containers", "(of gate/waits): delete their pods, and run nodegate uninstall again"}, uninstall...)
	it.Must(m.T, p.Remove(m.Context()))
	m.expect(0, nil, uninstall...)
	// And once more, for what comes after it.
	m.expect(0, []string{"containerd is active\n"}, "install", "--root", "/host", "--no-agent", "--restart")
	shell(m.T, "mkdir -p /run/nodegate /dev/.udev/nodegate")
}

// run has an agent with a policy of its own adjust a pod behind the wrapper.
func (m *podMachine) run(program string) {
	m.Helper()
	policy := filepath.Join(m.TempDir(), "config.toml")
	it.Must(m.T, os.WriteFile(policy, []byte("version = 1\n"+it.GrantApart("fuse", "mknod")), 0o644))
	shell(m.T, "systemd-run --quiet --unit=pod-agent "+program+" run --config "+policy)
	becomes(m.T, program+" status --strict --config "+policy+" >/dev/null 2>&1 && echo ready", "ready")
	pod := node.PodConfig{Namespace: "ci", UserNamespace: true, Handler: it.Wrapped, Annotations: it.AskFor("fuse, mknod")}
	p := it.RunPod(m.T, m.n, pod)
	c := it.RunContainer(m.T, p, node.ContainerConfig{})
	it.Expect(m.T, c, "open /dev/fuse rw", "ok")
	it.Must(m.T, p.Remove(m.Context()))
	shell(m.T, "systemctl stop pod-agent")
}
