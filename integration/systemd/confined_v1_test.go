// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/integration/node"
)

// On cgroup v1 runc starts no container in a device cgroup that allows less than it gives
// to each. What nodegate renders for such a node is enough, and each line is needed.
func TestConfinedNodeOnCgroupV1(t *testing.T) {
	const hierarchy = "/sys/fs/cgroup/devices"
	if _, err := os.Stat(hierarchy + "/devices.list"); err != nil {
		t.Skip("no device cgroup of v1 here")
	}
	node.Require(t, node.Options{})
	bin, err := node.BinDir()
	it.Must(t, err)
	dir := t.TempDir()
	it.Must(t, os.WriteFile(dir+"/policy.toml", []byte("version = 1\n"), 0o600))
	out, err := exec.Command(bin+"/nodegate", "render", "systemd", "--cgroup", "v1", "--config", dir+"/policy.toml").Output()
	it.Must(t, err)
	var rendered []string
	for line := range strings.Lines(string(out)) {
		if rule, ok := strings.CutPrefix(strings.TrimSpace(line), "DeviceAllow="); ok {
			rendered = append(rendered, kernelRule(rule))
		}
	}
	// What systemd makes of DevicePolicy=closed.
	closed := []string{"c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rw"}

	runs := func(rules []string) string {
		t.Helper()
		parent := fmt.Sprintf("nodegate-test-%d", os.Getpid())
		it.Must(t, os.Mkdir(filepath.Join(hierarchy, parent), 0o755))
		defer removeCgroups(t, parent)
		it.Must(t, os.WriteFile(filepath.Join(hierarchy, parent, "devices.deny"), []byte("a"), 0))
		for _, rule := range rules {
			it.Must(t, os.WriteFile(filepath.Join(hierarchy, parent, "devices.allow"), []byte(rule), 0))
		}
		out, _ := exec.Command(bin+"/runc", "--root", dir+"/state", "run", "--bundle", bundle(t, bin, parent), parent).CombinedOutput()
		return string(out)
	}
	if said := runs(append(closed, rendered...)); !strings.Contains(said, `"effective"`) {
		t.Errorf("with %q: %s", rendered, said)
	}
	for i, rule := range rendered {
		without := append(slices.Clone(closed), slices.Delete(slices.Clone(rendered), i, i+1)...)
		if said := runs(without); !strings.Contains(said, `failed to write \"`+rule+`\"`) {
			t.Errorf("without %q: %s", rule, said)
		}
	}
}

// kernelRule is what systemd writes to devices.allow for a DeviceAllow= without a name.
func kernelRule(setting string) string {
	return strings.NewReplacer("char-* ", "c *:* ", "block-* ", "b *:* ", "/dev/char/", "c ").Replace(setting)
}

// bundle is a container that says which capabilities it has, in a cgroup below parent.
func bundle(t *testing.T, bin, parent string) string {
	t.Helper()
	dir := t.TempDir()
	it.Must(t, os.Chmod(dir, 0o755))
	it.Must(t, os.Mkdir(dir+"/rootfs", 0o755))
	program, err := os.ReadFile(bin + "/probe")
	it.Must(t, err)
	it.Must(t, os.WriteFile(dir+"/rootfs/probe", program, 0o755))
	spec, err := json.Marshal(specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Args: []string{"/probe", "caps"}, Cwd: "/"},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}, {Destination: "/dev", Type: "tmpfs", Source: "tmpfs"}},
		Linux: &specs.Linux{
			CgroupsPath: "/" + parent + "/x",
			Namespaces:  []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}},
			Resources:   &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}},
		},
	})
	it.Must(t, err)
	it.Must(t, os.WriteFile(dir+"/config.json", spec, 0o600))
	return dir
}

// removeCgroups removes a cgroup and its child of the test in every hierarchy. They stay
// busy for a moment after their last process.
func removeCgroups(t *testing.T, parent string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left, _ := filepath.Glob("/sys/fs/cgroup/*/" + parent) // the pattern is good
		for _, dir := range left {
			_ = os.Remove(dir + "/x")
			_ = os.Remove(dir)
		}
		switch {
		case left == nil:
			return
		case time.Now().After(end):
			t.Errorf("left behind: %q", left)
			return
		}
	}
}
