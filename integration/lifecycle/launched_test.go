// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// running counts the processes of a program.
func running(t *testing.T, program string) int {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*/exe")
	it.Must(t, err)
	count := 0
	for _, exe := range procs {
		if at, err := os.Readlink(exe); err == nil && at == program {
			count++
		}
	}
	return count
}

func expectRunning(t *testing.T, program string, want int) {
	t.Helper()
	got := running(t, program)
	for range 100 {
		if got == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
		got = running(t, program)
	}
	t.Errorf("%d processes of the plugin, want %d", got, want)
}

// As a plugin that containerd starts, with the text that it has for it. Such a plugin
// ends with containerd, however that ends.
func TestLifecycleLaunched(t *testing.T) {
	it.NeedFuse(t)
	n := it.StartNode(t, node.Options{})
	g := it.NewGate(t, n, "")
	program := g.Launch(t, grantOneOfEach)
	pod := it.RunPod(t, n, node.PodConfig{UserNamespace: true, Annotations: it.AskFor(oneOfEach)})
	c := it.RunContainer(t, pod, node.ContainerConfig{})
	expectAll(t, c)
	it.ExpectOwnRecord(t, g, c)
	greedy := it.RunPod(t, n, node.PodConfig{Annotations: it.AskFor("kvm")})
	if got := it.Refusal(t, greedy, node.ContainerConfig{}); !strings.Contains(got, `"kvm", which is not granted`) {
		t.Errorf("refused with %q", got)
	}
	expectRunning(t, program, 1)
	it.Must(t, n.Containerd().Kill(), n.RestartContainerd(t.Context()))
	expectRunning(t, program, 1)
	expectAll(t, c)
	it.Must(t, n.RestartContainerd(t.Context()))
	expectRunning(t, program, 1)
	expectAll(t, it.RunContainer(t, pod, node.ContainerConfig{Name: "later"}))
	it.Remove(t, pod)
	g.ExpectLeft(t, nil, nil)
}

// A text with errors: containerd says which, and works without the plugin.
func TestLifecycleLaunchedBad(t *testing.T) {
	n := it.StartNode(t, node.Options{})
	g := it.NewGate(t, n, "")
	program := g.Launch(t, "colour = \"red\"\n")
	expectRunning(t, program, 0)
	told := ""
	for line := range strings.Lines(n.Containerd().Log()) {
		if strings.Contains(line, "90-nodegate") || strings.Contains(line, "pre-installed NRI plugin") {
			told += line
		}
	}
	for _, want := range []string{"NRI configuration:4", "colour"} {
		if !strings.Contains(told, want) {
			t.Errorf("containerd's log is without %q: %s", want, told)
		}
	}
	it.Run(t, n, node.PodConfig{Annotations: it.AskFor("kvm")}, node.ContainerConfig{})
}
