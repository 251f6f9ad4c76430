// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// An x86-64 kernel has two further tables of system calls, each with an mknod of its
// own number. A filter that knows one of the three can be walked around.
func TestNoMknodByOtherTables(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the tables are those of x86")
	}
	n := sharedNode(t)
	probe32 := buildProbe(t, "386")
	mount := []node.Mount{{HostPath: probe32, ContainerPath: "/probe32", ReadOnly: true}}
	profiles := map[string]node.Seccomp{
		"runtime-default": node.SeccompRuntimeDefault,
		"unconfined":      node.SeccompUnconfined,
		"localhost-allow": localhost(t, denyingMkdir()),
		"localhost-deny":  localhost(t, allowingList(nil)),
	}
	device := []string{"mknod", "-call", "mknod", "c", "/dev/shm/device", "1", "3"}
	without := run(t, n, node.PodConfig{Namespace: "locked"}, node.ContainerConfig{Mounts: mount})
	if got := probe32Answer(t, without, device...); got != "ok" {
		t.Fatalf("without the agent, mknod through the 32-bit table: %s, so the test shows nothing", got)
	}

	startAgent(t, n, noMknodPolicy)
	p := runPod(t, n, node.PodConfig{Namespace: "locked"})
	for name, profile := range profiles {
		c := runContainer(t, p, node.ContainerConfig{Name: name, Mounts: mount, Seccomp: profile})
		questions := mknods(name, "EPERM")
		words := []string{"each"}
		for _, q := range questions {
			if !strings.Contains(q.question, "-bits 0x10") && !strings.Contains(q.question, "-bits 0xffff") {
				words = append(words, q.question)
			}
		}
		answers := probe32Answer(t, c, words...)
		for i, got := range strings.Split(strings.Trim(answers, `[]`), ",") {
			want := "ok"
			for _, q := range questions {
				if i+1 < len(words) && q.question == words[i+1] {
					want = q.want
				}
			}
			if strings.Trim(got, `"`) != want {
				t.Errorf("%s: through the 32-bit table, %s: %s, want %s", name, words[i+1], got, want)
			}
		}
		// The x32 table: ENOSYS where the kernel has none. Never a node.
		for _, call := range []string{"mknod", "mknodat"} {
			question := []string{"mknod", "-call", call, "-number-bits", "0x40000000", "c", "/dev/shm/x32-" + call, "1", "3"}
			if got := probe(t, c, question...); got != "EPERM" && got != "ENOSYS" {
				t.Errorf("%s: %s through the x32 table: %s", name, call, got)
			}
			expect(t, c, "stat /dev/shm/"+name+"-x32-"+call, "ENOENT")
		}
	}
}

// buildProbe builds the probe for another architecture.
func buildProbe(t *testing.T, arch string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "probe-"+arch)
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", out, "./probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the probe for %s: %v\n%s", arch, err, text)
	}
	return out
}

// probe32Answer asks the 32-bit probe.
func probe32Answer(t *testing.T, c *node.Container, question ...string) string {
	t.Helper()
	r, err := c.Exec(t.Context(), append([]string{"/probe32"}, question...)...)
	if err != nil || r.Code > 1 {
		t.Fatalf("asking %q: %v, code %d: %s%s", question, err, r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
}
