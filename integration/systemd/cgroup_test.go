// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/node"
)

// A container in a user namespace manages the cgroups below its own, and nothing else:
// not its limits, and nothing above or beside it.
func TestCgroupV2(t *testing.T) {
	for _, version := range []string{node.DefaultContainerd, "2.2.9", "2.0.14"} {
		t.Run(version, func(t *testing.T) {
			n := it.StartNode(t, node.Options{Containerd: version, CgroupV2: true})
			g, _ := it.StartAgent(t, n, it.Delegating)
			c := it.Run(t, n, it.InUserNamespace(it.AsksForCgroup), node.ContainerConfig{})
			it.ExpectEach(t, c, []it.QA{
				{"write /sys/fs/cgroup/cgroup.max.descendants 7", "EACCES"},
				{"write /sys/fs/cgroup/cgroup.freeze 1", "EACCES"},
				{"write /sys/fs/cgroup/cgroup.type threaded", "EACCES"},
				{"mkdir /sys/fs/cgroup/child", "ok"},
				{"write /sys/fs/cgroup/child/cgroup.procs 0", "ok"}, // 0 is who writes
				{"write /sys/fs/cgroup/child/cgroup.max.descendants 7", "ok"},
				{"write /sys/fs/cgroup/cgroup.procs 0", "ok"},
			})
			it.ExpectDelegated(t, c, "/sys/fs/cgroup", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads")
			it.ExpectNotDelegated(t, c, "/sys/fs/cgroup", "cgroup.max.depth", "cgroup.kill", "cgroup.type")

			plain := it.Run(t, n, node.PodConfig{Namespace: "ci", UserNamespace: true}, node.ContainerConfig{})
			it.Expect(t, plain, "mkdir /sys/fs/cgroup/child", "EROFS")
			it.Must(t, c.Remove(t.Context()))
			if left := g.Left(); len(left) != 0 {
				t.Errorf("left of the container: %q", left)
			}
		})
	}
}

// On v1 the hierarchy without controllers is the container's; those with controllers
// cannot be written, whoever owns them.
func TestCgroupV1(t *testing.T) {
	it.NeedNamedHierarchy(t)
	n, w := it.WrappedNode(t, node.Options{})
	g, _ := it.StartAgent(t, n, it.Delegating)
	w.Configure(t, g.State)
	for _, handler := range []string{"", it.Wrapped} {
		for _, userNamespace := range []bool{true, false} {
			pod := it.AsksForCgroup
			pod.Handler, pod.UserNamespace = handler, userNamespace
			refused := "EROFS"
			if userNamespace {
				refused = "EACCES" // the files are not its own either
			}
			c := it.Run(t, n, pod, node.ContainerConfig{})
			it.ExpectEach(t, c, []it.QA{
				{"mkdir /sys/fs/cgroup/systemd/child", "ok"},
				{"write /sys/fs/cgroup/systemd/child/cgroup.procs 0", "ok"},
				{"write /sys/fs/cgroup/memory/memory.limit_in_bytes 1000000000", refused},
				{"write /sys/fs/cgroup/pids/pids.max 1000", refused},
				{"mkdir /sys/fs/cgroup/memory/child", "EROFS"},
				{"write /sys/fs/cgroup/systemd/cgroup.procs 0", "ok"},
			})
			if got := it.Probe(t, c, "cat", "/proc/self/cgroup"); strings.Contains(got, c.ID) || !strings.Contains(got, "name=systemd:/\n") {
				t.Errorf("not in a cgroup namespace of its own: %s", got)
			}
			it.ExpectDelegated(t, c, "/sys/fs/cgroup/systemd", "cgroup.procs", "tasks", "cgroup.clone_children")
			if userNamespace {
				it.ExpectNotDelegated(t, c, "/sys/fs/cgroup/systemd", "notify_on_release")
				it.ExpectNotDelegated(t, c, "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "cgroup.procs")
			}
		}
	}
}

// A runtime whose NRI has no namespaces gives a v1 container none: the wrapper does, and
// without it the sentence says so.
func TestCgroupV1ByAnOlderContainerd(t *testing.T) {
	it.NeedNamedHierarchy(t)
	n, w := it.WrappedNode(t, node.Options{Containerd: "2.0.14"})
	g, _ := it.StartAgent(t, n, "runtime.handlers = [\"nodegate\"]\n"+it.Delegating)
	w.Configure(t, g.State)
	const want = "would get a cgroup namespace of its own by profile "
	if got := it.Refusal(t, it.RunPod(t, n, it.InUserNamespace(it.AsksForCgroup)), node.ContainerConfig{}); !strings.Contains(got, want) {
		t.Errorf("refused with %s", got)
	}
	pod := it.InUserNamespace(it.AsksForCgroup)
	pod.Handler = it.Wrapped
	c := it.Run(t, n, pod, node.ContainerConfig{})
	it.ExpectEach(t, c, []it.QA{{"mkdir /sys/fs/cgroup/systemd/child", "ok"}, {"mkdir /sys/fs/cgroup/memory/child", "EROFS"}})
}

// Without a user namespace the container's root owns every cgroup that it can reach:
// only the kernel's boundary at the root of its cgroup namespace keeps its limits. On a
// machine that draws it already, a table of the engine alone shows the refusal.
func TestCgroupV2WithoutUserNamespace(t *testing.T) {
	n := it.StartNode(t, node.Options{CgroupV2: true})
	it.StartAgent(t, n, it.Delegating)
	if !it.NSDelegate(t) {
		const want = "is safe only where cgroup2 is mounted with nsdelegate: set hostUsers: false"
		if got := it.Refusal(t, it.RunPod(t, n, it.AsksForCgroup), node.ContainerConfig{}); !strings.Contains(got, want) {
			t.Errorf("refused with %s", got)
		}
	}
	it.NeedNSDelegate(t)
	c := it.Run(t, n, it.AsksForCgroup, node.ContainerConfig{})
	it.ExpectEach(t, c, []it.QA{
		{"write /sys/fs/cgroup/cgroup.max.descendants 7", "EPERM"},
		{"write /sys/fs/cgroup/cgroup.freeze 1", "EPERM"},
		{"mkdir /sys/fs/cgroup/child", "ok"},
		{"write /sys/fs/cgroup/child/cgroup.procs 0", "ok"},
	})
}

// A pod's own mount where its cgroups are is refused, not covered.
func TestCgroupUnderAVolume(t *testing.T) {
	n := it.SharedNode(t)
	it.StartAgent(t, n, it.Delegating)
	dir := t.TempDir()
	it.Must(t, os.Chmod(dir, 0o777))
	for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "sys/fs/../fs/cgroup"} {
		c := node.ContainerConfig{Customize: func(r *runtimeapi.ContainerConfig) {
			r.Mounts = append(r.Mounts, &runtimeapi.Mount{HostPath: dir, ContainerPath: at})
		}}
		want := "mounts something of its own at /sys/fs/cgroup"
		if got := it.Refusal(t, it.RunPod(t, n, it.InUserNamespace(it.AsksForCgroup)), c); !strings.Contains(got, want) {
			t.Errorf("at %s: refused with %s", at, got)
		}
	}
}

// A cgroup that is gone when the container is to start is not made anew, and the
// container does not run.
func TestCgroupVanishes(t *testing.T) {
	dir := t.TempDir()
	n := it.StartNode(t, node.Options{CgroupV2: true, Handlers: map[string]string{it.Wrapped: vanishing(t, dir)}})
	it.StartAgent(t, n, "runtime.handlers = []\n"+strings.Replace(it.Delegating, "profiles = [", "runtime_handlers = [\"nodegate\"]\nprofiles = [", 1))
	pod := it.InUserNamespace(it.AsksForCgroup)
	pod.Handler = it.Wrapped
	marks := it.NewMarks(t, n)
	for mode, want := range map[string]string{
		"gone":  "is gone since the container was created",
		"empty": "is empty: the container's process is in another cgroup",
	} {
		it.Must(t, os.WriteFile(filepath.Join(dir, "mode"), []byte(mode), 0o600))
		p := it.RunPod(t, n, pod)
		got := it.Refusal(t, p, marks.Container(mode))
		if !strings.Contains(got, "cannot be given its cgroup: /sys/fs/cgroup/") || !strings.Contains(got, want) {
			t.Errorf("%s: refused with %s", mode, got)
		}
		marks.Expect(t, mode, false)
	}
}

// vanishing is a runc that takes each container but a sandbox out of its cgroup when it
// has created it.
func vanishing(t *testing.T, dir string) string {
	t.Helper()
	bin, err := node.BinDir()
	it.Must(t, err)
	program := filepath.Join(dir, "vanishing-runc")
	it.Must(t, os.WriteFile(program, []byte(`#!/bin/sh
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
