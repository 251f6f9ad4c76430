// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// An x86-64 kernel has two further tables of system calls, each with an mknod of its
// own number. A filter that knows one of the three can be walked around.
func TestNoMknodByOtherTables(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the tables are those of x86")
	}
	n := it.SharedNode(t)
	probe32 := buildProbe(t, "386")
	mount := []node.Mount{{HostPath: probe32, ContainerPath: "/probe32", ReadOnly: true}}
	profiles := map[string]node.Seccomp{
		"runtime-default": node.SeccompRuntimeDefault,
		"unconfined":      node.SeccompUnconfined,
		"localhost-allow": localhost(t, denyingMkdir()),
		"localhost-deny":  localhost(t, allowingList(nil)),
	}
	device := []string{"mknod", "-call", "mknod", "c", "/dev/shm/device", "1", "3"}
	without := it.Run(t, n, node.PodConfig{Namespace: "locked"}, node.ContainerConfig{Mounts: mount})
	if got := probe32Answer(t, without, device...); got != "ok" {
		t.Fatalf("without the agent, mknod through the 32-bit table: %s, so the test shows nothing", got)
	}

	it.StartAgent(t, n, noMknodPolicy)
	p := it.RunPod(t, n, node.PodConfig{Namespace: "locked"})
	for name, profile := range profiles {
		c := it.RunContainer(t, p, node.ContainerConfig{Name: name, Mounts: mount, Seccomp: profile})
		words, want := []string{"each"}, []string{}
		for _, q := range mknods(name, "EPERM") {
			if !strings.Contains(q[0], "0xffffffff") { // registers are narrower there
				words, want = append(words, q[0]), append(want, q[1])
			}
		}
		var got []string
		if err := json.Unmarshal([]byte(probe32Answer(t, c, words...)), &got); err != nil || len(got) != len(want) {
			t.Fatalf("%s: %q (%v)", name, got, err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: through the 32-bit table, %s: %s, want %s", name, words[i+1], got[i], want[i])
			}
		}
		// The x32 table: ENOSYS where the kernel has none. Never a node.
		for _, call := range []string{"mknod", "mknodat"} {
			question := []string{"mknod", "-call", call, "-number-bits", "0x40000000", "c", "/dev/shm/x32-" + call, "1", "3"}
			if got := it.Probe(t, c, question...); got != "EPERM" && got != "ENOSYS" {
				t.Errorf("%s: %s through the x32 table: %s", name, call, got)
			}
			it.Expect(t, c, "stat /dev/shm/"+name+"-x32-"+call, "ENOENT")
		}
	}
}

// buildProbe builds the probe for another architecture.
func buildProbe(t *testing.T, arch string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "probe-"+arch)
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", out, "github.com/nodegate/nodegate/integration/probe")
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
