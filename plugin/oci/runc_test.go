// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
)

// program is a file that `make runtimes` built.
func program(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("NODEGATE_BIN")
	if dir == "" {
		dir = "../../bin"
	}
	file, err := filepath.Abs(filepath.Join(dir, name))
	if err == nil {
		_, err = os.Stat(file)
	}
	missing(t, err != nil, name+" is not built: run make runtimes")
	return file
}

// realContainer makes a bundle that the real runc can run, whose program stays.
func (n *node) realContainer(uid int, annotations map[string]string) {
	n.t.Helper()
	n.mkdir(n.path("bundle/rootfs/proc"))
	if text, err := exec.Command("cp", program(n.t, "probe"), n.path("bundle/rootfs/probe")).CombinedOutput(); err != nil {
		n.t.Fatalf("%v: %s", err, text)
	}
	spec := map[string]any{
		"ociVersion": "1.2.0", "root": map[string]any{"path": "rootfs"}, "annotations": annotations,
		"process": map[string]any{"user": map[string]any{"uid": uid, "gid": uid}, "cwd": "/", "args": []string{"/probe", "pause"},
			"env": []string{"PATH=/bin"}, "capabilities": map[string]any{}, "noNewPrivileges": true},
		"mounts": []any{map[string]any{"destination": "/proc", "type": "proc", "source": "proc"}},
		"linux": map[string]any{"namespaces": []any{map[string]any{"type": "pid"}, map[string]any{"type": "mount"}},
			// By default it has the container's id, which another run of this test has too.
			"cgroupsPath": fmt.Sprintf("/nodegate-test-%d-c1", os.Getpid())},
	}
	text, err := json.Marshal(spec)
	if err != nil {
		n.t.Fatal(err)
	}
	n.write("bundle/config.json", string(text), 0o600)
}

// TestRealRuncGivesAndTakesCapabilities: PID 1 and a process that is started
// later agree, as root and as another user.
func TestRealRuncGivesAndTakesCapabilities(t *testing.T) {
	const mknodBit = uint64(1) << unix.CAP_MKNOD
	for _, tc := range []struct {
		name   string
		change change.Capabilities
		has    bool
	}{
		{"added to a pod that drops all", change.Capabilities{Add: []string{"CAP_MKNOD"}}, true},
		{"dropped", change.Capabilities{Drop: []string{"CAP_MKNOD"}}, false},
	} {
		for _, uid := range []int{0, 1000} {
			t.Run(fmt.Sprintf("%s, uid %d", tc.name, uid), func(t *testing.T) {
				n := newNode(t)
				n.write("runc.toml", fmt.Sprintf("version = 1\npath = %q\nstate_dir = %q\n", program(t, "runc"), n.path("state")), 0o644)
				n.realContainer(uid, n.decide(change.Adjustment{Capabilities: tc.change}))
				base := []string{"--root", n.path("runc-state"), "--log", n.log, "--log-format", "json"}
				runc := func(args ...string) {
					t.Helper()
					cmd := exec.Command(n.wrapper, append(base, args...)...)
					if err := cmd.Run(); err != nil {
						log, _ := os.ReadFile(n.log)
						t.Fatalf("%q: %v\n%s", args, err, log)
					}
				}
				t.Cleanup(func() { _ = exec.Command(n.wrapper, append(base, "delete", "--force", "c1")...).Run() })
				runc("create", "--bundle", n.bundle, "--pid-file", n.path("init.pid"), "c1")
				runc("start", "c1")
				n.wantCapability(n.path("init.pid"), mknodBit, tc.has)

				// As containerd does: from a spec of its own, that drops all.
				n.write("process.json", fmt.Sprintf(`{"user":{"uid":%d,"gid":%d},"cwd":"/","args":["/probe","pause"],"env":[],"capabilities":%s}`,
					uid, uid, map[bool]string{true: "{}", false: `{"bounding":["CAP_MKNOD"],"permitted":["CAP_MKNOD"],"effective":["CAP_MKNOD"],"inheritable":["CAP_MKNOD"],"ambient":["CAP_MKNOD"]}`}[tc.has]), 0o600)
				process, err := os.ReadFile(n.path("process.json"))
				if err != nil {
					t.Fatal(err)
				}
				runc("exec", "--process", n.path("process.json"), "--detach", "--pid-file", n.path("exec.pid"), "c1")
				n.wantCapability(n.path("exec.pid"), mknodBit, tc.has)

				// As CRI-O does, without a log.
				n.write("process.json", string(process), 0o600)
				base = base[:2]
				runc("exec", "--process", n.path("process.json"), "--detach", "--pid-file", n.path("exec2.pid"), "c1")
				n.wantCapability(n.path("exec2.pid"), mknodBit, tc.has)
			})
		}
	}
}

// wantCapability looks at a running process: what it has, and what it could.
func (n *node) wantCapability(pidFile string, bit uint64, want bool) {
	n.t.Helper()
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		n.t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/status")
	if err != nil {
		n.t.Fatal(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		name, value, _ := strings.Cut(line, ":")
		var set uint64
		if name != "CapEff" && name != "CapPrm" && name != "CapBnd" {
			continue
		}
		if _, err := fmt.Sscanf(strings.TrimSpace(value), "%x", &set); err != nil {
			n.t.Fatal(err)
		}
		if got := set&bit != 0; got != want {
			n.t.Errorf("%s of %s is %#x, want CAP_MKNOD in it: %v", name, filepath.Base(pidFile), set, want)
		}
	}
}
