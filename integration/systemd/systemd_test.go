// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/node"
)

// systemdDoes is what a system in a pod is asked for, in the words of its own tools and in
// this order, and what it prints.
var systemdDoes = []struct{ what, script, want string }{
	{"a cgroup for each unit", "systemd-run -q --wait --pipe -u own cat /proc/self/cgroup | grep -o '/system.slice/own.service'", "/system.slice/own.service"},
	{"PrivateDevices=", "systemd-run -q --wait --pipe -p PrivateDevices=yes echo ran", "ran"},
	{"ProtectSystem=", "systemd-run -q --wait --pipe -p ProtectSystem=strict echo ran", "ran"},
	{"CapabilityBoundingSet=, NoNewPrivileges=", "systemd-run -q --wait --pipe -p CapabilityBoundingSet= -p NoNewPrivileges=yes grep -E '^(CapEff|NoNewPrivs)' /proc/self/status",
		"CapEff:\t0000000000000000\nNoNewPrivs:\t1"},
	{"SystemCallFilter=", "systemd-run -q --wait --pipe -p 'SystemCallFilter=~mkdir mkdirat' -p SystemCallErrorNumber=EUCLEAN mkdir /tmp/filtered 2>&1 | grep -o 'Structure needs cleaning'",
		"Structure needs cleaning"},
	{"User=", "systemd-run -q --wait --pipe -p User=daemon id -un", "daemon"},
	{"journald", "systemd-run -q --wait -u says echo words; journalctl --sync; journalctl -q -u says -o cat | grep -x words", "words"},
	{"tmpfiles", "echo 'd /run/made 0750 daemon daemon' >/etc/tmpfiles.d/made.conf; systemd-tmpfiles --create made.conf; stat -c '%a %U' /run/made", "750 daemon"},
	// On cgroup v1 nobody tells systemd that a cgroup is empty, and it may wait for as long as this.
	{"a drop-in", "mkdir /etc/systemd/system/user@.service.d; printf '[Service]\\nTimeoutStopSec=5\\n' >/etc/systemd/system/user@.service.d/stop.conf; systemctl daemon-reload; systemctl show user@1000 -p TimeoutStopUSec --value", "5s"},
	{"a user's manager", "useradd -m dev && loginctl enable-linger dev && systemctl start user@1000 && systemctl is-active user@1000", "active"},
	{"a user's unit", "XDG_RUNTIME_DIR=/run/user/1000 runuser -u dev -- systemd-run --user -q --wait --pipe -u mine cat /proc/self/cgroup | grep -o '/user@1000.service/app.slice/mine.service'",
		"/user@1000.service/app.slice/mine.service"},
	{"a user's session", `runuser -l dev -c 'loginctl show-session "$XDG_SESSION_ID" -p Name --value'`, "dev"},
	{"a unit with an end", "systemd-run -q -u ends -p ExecStop='/bin/touch /out/ended' sleep infinity; systemctl is-active ends", "active"},
}

// Debian's systemd is PID 1 of a pod by the profile alone: under a user namespace or not,
// without CAP_SYS_ADMIN, below what the kubelet masks.
func TestSystemd(t *testing.T) {
	t.Run("the machine's cgroups", func(t *testing.T) {
		n := it.SharedNode(t)
		it.StartAgent(t, n, it.GrantApart("systemd"))
		testSystemd(t, n, asksForSystemd)
		testSystemd(t, n, it.InUserNamespace(asksForSystemd))
	})
	t.Run("cgroup v2", func(t *testing.T) {
		n := it.StartNode(t, node.Options{CgroupV2: true})
		it.StartAgent(t, n, it.GrantApart("systemd"))
		testSystemd(t, n, it.InUserNamespace(asksForSystemd))
		it.NeedNSDelegate(t)
		testSystemd(t, n, asksForSystemd)
	})
	t.Run("containerd 2.0.14", func(t *testing.T) {
		n, w := it.WrappedNode(t, node.Options{Containerd: "2.0.14"})
		g, _ := it.StartAgent(t, n, "runtime.handlers = [\"nodegate\"]\n"+it.GrantApart("systemd"))
		w.Configure(t, g.State)
		pod := it.InUserNamespace(asksForSystemd)
		pod.Handler = it.Wrapped
		testSystemd(t, n, pod)
	})
}

var asksForSystemd = node.PodConfig{Namespace: "ci", Annotations: it.AskFor("systemd")}

func testSystemd(t *testing.T, n *node.Node, pod node.PodConfig) {
	t.Helper()
	name := "plain pod"
	if pod.UserNamespace {
		name = "pod with user namespace"
	}
	t.Run(name, func(t *testing.T) {
		out := filepath.Join(n.Dir(), "out", t.Name())
		it.Must(t, os.MkdirAll(out, 0o755))
		c := it.Boot(t, n, pod, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault,
			Mounts: []node.Mount{{HostPath: out, ContainerPath: "/out"}}})
		if caps := it.SpecOf(t, c).Process.Capabilities; slices.Contains(caps.Bounding, "CAP_SYS_ADMIN") {
			t.Error("has CAP_SYS_ADMIN")
		}
		if got := it.State(t, c); got != "running" {
			t.Errorf("the system is %s", got)
		}
		for _, does := range systemdDoes {
			if got := it.Sh(t, c, does.script); got != does.want {
				t.Errorf("%s: %q, want %q", does.what, got, does.want)
			}
		}
		if t.Failed() {
			t.Logf("the journal:\n%s", it.Sh(t, c, "journalctl -b --no-pager | tail -60"))
		}
		// The image's stop signal, which nodegate leaves alone, is how systemd is shut down.
		start := time.Now()
		_, err := n.CRI().StopContainer(t.Context(), &runtimeapi.StopContainerRequest{ContainerId: c.ID, Timeout: 30})
		it.Must(t, err)
		if took := time.Since(start); took > 25*time.Second {
			t.Errorf("took %v to stop", took)
		}
		if code, err := c.Wait(t.Context()); err != nil || code != 0 {
			t.Errorf("ended with code %d, %v", code, err)
		}
		if _, err := os.Stat(filepath.Join(out, "ended")); err != nil {
			t.Errorf("a unit was not stopped: %v", err)
		}
		t.Logf("stopped in %v", time.Since(start))
	})
}

// The same image without the profile ends at once.
func TestSystemdWithoutProfile(t *testing.T) {
	n := it.SharedNode(t)
	it.StartAgent(t, n, it.GrantApart("systemd"))
	for _, pod := range []node.PodConfig{{Namespace: "ci"}, {Namespace: "ci", UserNamespace: true}} {
		c := it.Boot(t, n, pod, node.ContainerConfig{})
		if code, err := c.Wait(t.Context()); err != nil || code != 255 {
			t.Errorf("user namespace %v: code %d, %v", pod.UserNamespace, code, err)
		}
	}
}

// What a unit asks for that takes a namespace, systemd leaves out or fails at where the
// kernel refuses it one. It needs CAP_SYS_ADMIN, which under a user namespace is the pod's
// to ask for and reaches no further than the pod.
func TestSystemdNamespaces(t *testing.T) {
	n := it.SharedNode(t)
	it.StartAgent(t, n, it.GrantApart("systemd"))
	var systems [2]*node.Container
	for i, add := range [][]string{nil, {"SYS_ADMIN"}} {
		systems[i] = it.Boot(t, n, it.InUserNamespace(asksForSystemd), node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault, AddCapabilities: add})
	}
	for i, c := range systems {
		if got := it.State(t, c); got != "running" {
			t.Errorf("capabilities %q: the system is %s", c.Config.AddCapabilities, got)
		}
		for _, tc := range []struct {
			property, script string
			want             [2]string // without and with the capability
		}{
			{"", "unshare --mount echo done 2>&1", [2]string{"unshare: unshare failed: Operation not permitted", "done"}},
			{"PrivateDevices=yes", "test -e /dev/termination-log && echo the pod || echo its own", [2]string{"the pod", "its own"}},
			{"ProtectSystem=strict", "touch /usr/touched && echo written || echo read-only", [2]string{"written", "read-only"}},
			{"PrivateTmp=yes", "test -e /tmp/of-the-pod && echo the pod || echo its own", [2]string{"the pod", "its own"}},
			{"ProtectHostname=yes", "test /proc/self/ns/uts -ef /proc/1/ns/uts && echo the pod || echo its own", [2]string{"the pod", "its own"}},
			{"DynamicUser=yes", "echo ran", [2]string{"failed", "ran"}},
			{"PrivateUsers=yes", "echo ran", [2]string{"failed", "ran"}},
			{"PrivateNetwork=yes", "grep -q eth0 /proc/self/net/dev && echo the pod || echo its own", [2]string{"the pod", "its own"}},
		} {
			script := tc.script
			if tc.property != "" {
				script = fmt.Sprintf("touch /tmp/of-the-pod; systemd-run -q --wait --pipe -p %s sh -c %q 2>/dev/null || echo failed", tc.property, tc.script)
			}
			if got := it.Sh(t, c, script); got != tc.want[i] {
				t.Errorf("capabilities %q: %s%s: %q, want %q", c.Config.AddCapabilities, tc.property, tc.script, got, tc.want[i])
			}
		}
	}
}
