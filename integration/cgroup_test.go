// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/node"
)

const delegating = `
[profiles.cgroup]
cgroup = "writable"
` + "[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [\"cgroup\"]\n"

var asksForCgroup = node.PodConfig{Namespace: "ci", Annotations: askFor("cgroup")}

func inUserNamespace(p node.PodConfig) node.PodConfig {
	p.UserNamespace = true
	return p
}

// A container in a user namespace manages the cgroups below its own, and nothing else:
// not its limits, and nothing above or beside it.
func TestCgroupV2(t *testing.T) {
	for _, version := range []string{node.DefaultContainerd, "2.2.9", "2.0.14"} {
		t.Run(version, func(t *testing.T) {
			n := startNode(t, node.Options{Containerd: version, CgroupV2: true})
			g, _ := startAgent(t, n, delegating)
			c := run(t, n, inUserNamespace(asksForCgroup), node.ContainerConfig{})
			expectEach(t, c, []qa{
				{"write /sys/fs/cgroup/cgroup.max.descendants 7", "EACCES"},
				{"write /sys/fs/cgroup/cgroup.freeze 1", "EACCES"},
				{"write /sys/fs/cgroup/cgroup.type threaded", "EACCES"},
				{"mkdir /sys/fs/cgroup/child", "ok"},
				{"write /sys/fs/cgroup/child/cgroup.procs 0", "ok"}, // 0 is who writes
				{"write /sys/fs/cgroup/child/cgroup.max.descendants 7", "ok"},
				{"write /sys/fs/cgroup/cgroup.procs 0", "ok"},
			})
			expectDelegated(t, c, "/sys/fs/cgroup", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads")
			expectNotDelegated(t, c, "/sys/fs/cgroup", "cgroup.max.depth", "cgroup.kill", "cgroup.type")

			plain := run(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true}, node.ContainerConfig{})
			expect(t, plain, "mkdir /sys/fs/cgroup/child", "EROFS")
			must(t, c.Remove(t.Context()))
			if left := g.Left(); len(left) != 0 {
				t.Errorf("left of the container: %q", left)
			}
		})
	}
}

// On v1 the hierarchy without controllers is the container's; those with controllers
// cannot be written, whoever owns them.
func TestCgroupV1(t *testing.T) {
	needNamedHierarchy(t)
	n, w := wrappedNode(t, node.Options{})
	g, _ := startAgent(t, n, delegating)
	w.configure(t, g.State)
	for _, handler := range []string{"", wrapped} {
		for _, userNamespace := range []bool{true, false} {
			pod := asksForCgroup
			pod.Handler, pod.UserNamespace = handler, userNamespace
			refused := "EROFS"
			if userNamespace {
				refused = "EACCES" // the files are not its own either
			}
			c := run(t, n, pod, node.ContainerConfig{})
			expectEach(t, c, []qa{
				{"mkdir /sys/fs/cgroup/systemd/child", "ok"},
				{"write /sys/fs/cgroup/systemd/child/cgroup.procs 0", "ok"},
				{"write /sys/fs/cgroup/memory/memory.limit_in_bytes 1000000000", refused},
				{"write /sys/fs/cgroup/pids/pids.max 1000", refused},
				{"mkdir /sys/fs/cgroup/memory/child", "EROFS"},
				{"write /sys/fs/cgroup/systemd/cgroup.procs 0", "ok"},
			})
			if got := probe(t, c, "cat", "/proc/self/cgroup"); strings.Contains(got, c.ID) || !strings.Contains(got, "name=systemd:/\n") {
				t.Errorf("not in a cgroup namespace of its own: %s", got)
			}
			expectDelegated(t, c, "/sys/fs/cgroup/systemd", "cgroup.procs", "tasks", "cgroup.clone_children")
			if userNamespace {
				expectNotDelegated(t, c, "/sys/fs/cgroup/systemd", "notify_on_release")
				expectNotDelegated(t, c, "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "cgroup.procs")
			}
		}
	}
}

// A runtime whose NRI has no namespaces gives a v1 container none: the wrapper does, and
// without it the sentence says so.
func TestCgroupV1ByAnOlderContainerd(t *testing.T) {
	needNamedHierarchy(t)
	n, w := wrappedNode(t, node.Options{Containerd: "2.0.14"})
	g, _ := startAgent(t, n, "runtime.handlers = [\"nodegate\"]\n"+delegating)
	w.configure(t, g.State)
	const want = "would get a cgroup namespace of its own, which containerd"
	if got := refusal(t, runPod(t, n, inUserNamespace(asksForCgroup)), node.ContainerConfig{}); !strings.Contains(got, want) {
		t.Errorf("refused with %s", got)
	}
	pod := inUserNamespace(asksForCgroup)
	pod.Handler = wrapped
	c := run(t, n, pod, node.ContainerConfig{})
	expectEach(t, c, []qa{{"mkdir /sys/fs/cgroup/systemd/child", "ok"}, {"mkdir /sys/fs/cgroup/memory/child", "EROFS"}})
}

// needNamedHierarchy skips on a machine that has cgroup v2 alone.
func needNamedHierarchy(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/sys/fs/cgroup/systemd/cgroup.procs"); err != nil {
		t.Skip("no cgroup v1 hierarchy named systemd here")
	}
}

// Without a user namespace the container's root owns every cgroup that it can reach:
// only the kernel's boundary at the root of its cgroup namespace keeps its limits.
func TestCgroupV2WithoutUserNamespace(t *testing.T) {
	n := startNode(t, node.Options{CgroupV2: true})
	startAgent(t, n, delegating)
	setNSDelegate(t, false)
	const want = "is safe only where cgroup2 is mounted with nsdelegate: set hostUsers: false"
	if got := refusal(t, runPod(t, n, asksForCgroup), node.ContainerConfig{}); !strings.Contains(got, want) {
		t.Errorf("refused with %s", got)
	}
	setNSDelegate(t, true)
	c := run(t, n, asksForCgroup, node.ContainerConfig{})
	expectEach(t, c, []qa{
		{"write /sys/fs/cgroup/cgroup.max.descendants 7", "EPERM"},
		{"write /sys/fs/cgroup/cgroup.freeze 1", "EPERM"},
		{"mkdir /sys/fs/cgroup/child", "ok"},
		{"write /sys/fs/cgroup/child/cgroup.procs 0", "ok"},
	})
}

// setNSDelegate sets the option of the machine's one cgroup v2 hierarchy, until the
// test's end.
func setNSDelegate(t *testing.T, on bool) {
	t.Helper()
	at, had := cgroup2Mount(t)
	set := func(on bool) {
		option := ""
		if on {
			option = "nsdelegate"
		}
		must(t, unix.Mount("none", at, "cgroup2", unix.MS_REMOUNT, option))
	}
	set(on)
	t.Cleanup(func() { set(had) })
}

func cgroup2Mount(t *testing.T) (at string, nsdelegate bool) {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); f[2] == "cgroup2" {
			return f[1], slices.Contains(strings.Split(f[3], ","), "nsdelegate")
		}
	}
	t.Fatal("no cgroup2 is mounted")
	return "", false
}

// A pod's own mount where its cgroups are is refused, not covered.
func TestCgroupUnderAVolume(t *testing.T) {
	n := sharedNode(t)
	startAgent(t, n, delegating)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o777))
	for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "sys/fs/../fs/cgroup"} {
		c := node.ContainerConfig{Customize: func(r *runtimeapi.ContainerConfig) {
			r.Mounts = append(r.Mounts, &runtimeapi.Mount{HostPath: dir, ContainerPath: at})
		}}
		want := "mounts something of its own at /sys/fs/cgroup"
		if got := refusal(t, runPod(t, n, inUserNamespace(asksForCgroup)), c); !strings.Contains(got, want) {
			t.Errorf("at %s: refused with %s", at, got)
		}
	}
}

// A cgroup that is gone when the container is to start is not made anew, and the
// container does not run.
func TestCgroupVanishes(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, node.Options{CgroupV2: true, Handlers: map[string]string{wrapped: vanishing(t, dir)}})
	startAgent(t, n, "runtime.handlers = []\n"+strings.Replace(delegating, "profiles = [", "runtime_handlers = [\"nodegate\"]\nprofiles = [", 1))
	pod := inUserNamespace(asksForCgroup)
	pod.Handler = wrapped
	marks := newMarks(t, n)
	for mode, want := range map[string]string{
		"gone":  "is gone since the container was created",
		"empty": "is empty: the container's process is in another cgroup",
	} {
		must(t, os.WriteFile(filepath.Join(dir, "mode"), []byte(mode), 0o600))
		p := runPod(t, n, pod)
		got := refusal(t, p, marks.container(mode))
		if !strings.Contains(got, "cannot be given its cgroup: /sys/fs/cgroup/") || !strings.Contains(got, want) {
			t.Errorf("%s: refused with %s", mode, got)
		}
		marks.expect(t, mode, false)
	}
}

// vanishing is a runc that takes each container but a sandbox out of its cgroup when it
// has created it.
func vanishing(t *testing.T, dir string) string {
	t.Helper()
	bin, err := node.BinDir()
	must(t, err)
	program := filepath.Join(dir, "vanishing-runc")
	must(t, os.WriteFile(program, []byte(`#!/bin/sh
case " $* " in *" create "*) ;; *) exec `+bin+`/runc "$@" ;; esac
`+bin+`/runc "$@" || exit
pidfile= bundle= prev=
for a; do
	case $prev in --pid-file) pidfile=$a ;; --bundle) bundle=$a ;; esac
	prev=$a
done
pid=$(cat "$pidfile")
grep -q '"nodegate.dev/nonce"' "$bundle/config.json" || exit 0
own=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
mkdir -p "$own-elsewhere"
echo "$pid" >"$own-elsewhere/cgroup.procs"
[ "$(cat `+dir+`/mode)" = empty ] || rmdir "$own"
`), 0o755))
	return program
}

// expectDelegated checks who owns the files by which a cgroup is managed.
func expectDelegated(t *testing.T, c *node.Container, dir string, names ...string) {
	t.Helper()
	for _, name := range append(names, ".") {
		if f := stat(t, c, dir+"/"+name); f.UID != 0 || f.GID != 0 {
			t.Errorf("%s/%s belongs to %d:%d", dir, name, f.UID, f.GID)
		}
	}
}

// expectNotDelegated checks that files belong to nobody in the container.
func expectNotDelegated(t *testing.T, c *node.Container, dir string, names ...string) {
	t.Helper()
	const nobody = 65534
	for _, name := range names {
		if f := stat(t, c, dir+"/"+name); f.UID != nobody || f.GID != nobody {
			t.Errorf("%s/%s belongs to %d:%d", dir, name, f.UID, f.GID)
		}
	}
}
