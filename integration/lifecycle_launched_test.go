// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// launch makes the agent one of the plugins that containerd starts, and restarts that.
func (g *gate) launch(t *testing.T, policy string) (program string) {
	t.Helper()
	dir := filepath.Dir(g.Node.NRISocket())
	program = filepath.Join(dir, "plugins", "90-nodegate")
	from, err := os.Open(g.binary)
	must(t, err)
	defer from.Close()
	to, err := os.OpenFile(program, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, err, to.Close())
	head := fmt.Sprintf("version = 1\nstate = { dir = %q, shadow_dir = %q }\nserver.listen = %q\n", g.State, g.Shadows, "unix://"+filepath.Join(dir, "s.sock"))
	must(t, os.WriteFile(filepath.Join(dir, "conf.d", "90-nodegate.conf"), []byte(head+policy), 0o600))
	must(t, g.Node.RestartContainerd(t.Context()))
	return program
}

// running counts the processes of a program.
func running(t *testing.T, program string) int {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*/exe")
	must(t, err)
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
	needFuse(t)
	n := startNode(t, node.Options{})
	g := newGate(t, n, "")
	program := g.launch(t, grantOneOfEach)
	pod := runPod(t, n, node.PodConfig{UserNamespace: true, Annotations: askFor(oneOfEach)})
	c := runContainer(t, pod, node.ContainerConfig{})
	expectAll(t, c)
	expectOwnRecord(t, g, c)
	greedy := runPod(t, n, node.PodConfig{Annotations: askFor("kvm")})
	if got := refusal(t, greedy, node.ContainerConfig{}); !strings.Contains(got, `"kvm", which is not granted`) {
		t.Errorf("refused with %q", got)
	}
	expectRunning(t, program, 1)
	must(t, n.Containerd().Kill(), n.RestartContainerd(t.Context()))
	expectRunning(t, program, 1)
	expectAll(t, c)
	must(t, n.RestartContainerd(t.Context()))
	expectRunning(t, program, 1)
	expectAll(t, runContainer(t, pod, node.ContainerConfig{Name: "later"}))
	remove(t, pod)
	g.expectLeft(t, nil, nil)
}

// A text with errors: containerd says which, and works without the plugin.
func TestLifecycleLaunchedBad(t *testing.T) {
	n := startNode(t, node.Options{})
	g := newGate(t, n, "")
	program := g.launch(t, "colour = \"red\"\n")
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
	run(t, n, node.PodConfig{Annotations: askFor("kvm")}, node.ContainerConfig{})
}
