// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// An agent that was killed leaves records and shadow nodes. The next one removes those
// of containers that went meanwhile, and those alone: the others are in use.
func TestLifecycleKilledAgent(t *testing.T) {
	it.NeedFuse(t)
	g, agent := it.StartAgent(t, it.StartNode(t, node.Options{}), grantOneOfEach)
	pod := func(userns bool) (*node.Pod, *node.Container) {
		p := it.RunPod(t, g.Node, node.PodConfig{UserNamespace: userns, Annotations: it.AskFor(oneOfEach)})
		return p, it.RunContainer(t, p, node.ContainerConfig{})
	}
	livePod, live := pod(true)
	deadPod, _ := pod(true)
	livePlainPod, livePlain := pod(false)
	deadPlainPod, _ := pod(false)
	// In a pod that lives on: one is removed, one has ended and is still there.
	gone := it.RunContainer(t, livePod, node.ContainerConfig{Name: "gone"})
	if got := len(g.ShadowIDs(t)); got != 3 {
		t.Fatalf("shadow nodes of %d containers, want 3", got)
	}
	if err := agent.Kill(); err != nil {
		t.Fatal(err)
	}
	it.Remove(t, deadPod, deadPlainPod)
	if err := gone.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(g.RecordIDs(t)); got != 5 {
		t.Fatalf("%d records with no agent, want 5: nobody should have removed any", got)
	}
	second := g.Start(t)
	g.ExpectLeft(t, []*node.Container{live, livePlain}, []*node.Container{live})
	expectAll(t, live)
	expectAll(t, livePlain)
	for _, want := range []string{"swept_shadows=2", "swept_records=3", "adjusted=2"} {
		if !strings.Contains(second.Log(), want) {
			t.Errorf("the second agent's log is without %q", want)
		}
	}
	// The second agent knows the first one's pods.
	it.Remove(t, livePod, livePlainPod)
	g.ExpectLeft(t, nil, nil)
}

// containerd restarts: the agent comes back by itself, and nothing of a pod that lived
// through it is lost.
func TestLifecycleContainerdRestarts(t *testing.T) {
	it.NeedFuse(t)
	g, agent := it.StartAgent(t, it.StartNode(t, node.Options{}), grantOneOfEach)
	before := it.Run(t, g.Node, node.PodConfig{UserNamespace: true, Annotations: it.AskFor(oneOfEach)}, node.ContainerConfig{})
	for i := range 2 {
		if err := g.Node.RestartContainerd(t.Context()); err != nil {
			t.Fatal(err)
		}
		it.WaitLogged(t, agent, "synchronized", 2+i)
	}
	expectAll(t, before)
	it.ExpectOwnRecord(t, g, before)
	after := it.Run(t, g.Node, node.PodConfig{UserNamespace: true, Annotations: it.AskFor(oneOfEach)}, node.ContainerConfig{})
	expectAll(t, after)
	g.ExpectLeft(t, []*node.Container{before, after}, []*node.Container{before, after})
}

// An agent that starts first waits for containerd.
func TestLifecycleAgentFirst(t *testing.T) {
	it.NeedFuse(t)
	g := it.NewGate(t, it.StartNode(t, node.Options{}), grantOneOfEach)
	if err := g.Node.Containerd().Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	agent := g.StartProcess(t)
	it.WaitLogged(t, agent, "not connected to the runtime", 1)
	if err := g.Node.RestartContainerd(t.Context()); err != nil {
		t.Fatal(err)
	}
	it.WaitLogged(t, agent, "synchronized", 1)
	pod := it.RunPod(t, g.Node, node.PodConfig{Annotations: it.AskFor(oneOfEach)})
	expectAll(t, it.RunContainer(t, pod, node.ContainerConfig{}))
	it.Remove(t, pod)
}

// A socket that is not there is worth one line, not one a second, and the agent keeps
// looking for it.
func TestLifecycleNoSocket(t *testing.T) {
	g := it.NewGate(t, it.StartNode(t, node.Options{}), "")
	late := filepath.Join(g.Node.Dir(), "late")
	text, err := os.ReadFile(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.ReplaceAll(string(text), filepath.Dir(g.Node.NRISocket()), late))
	if err := os.WriteFile(g.Config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	agent := g.StartProcess(t)
	it.WaitLogged(t, agent, "not connected to the runtime", 1)
	time.Sleep(3 * time.Second) // three tries at least
	lines := strings.Split(strings.TrimSpace(agent.Log()), "\n")
	var about []string
	for _, line := range lines {
		if strings.Contains(line, "level=warning") || strings.Contains(line, "level=error") {
			about = append(about, line)
		}
	}
	if len(about) != 1 || !strings.Contains(about[0], filepath.Join(late, "nri.sock")) || !strings.Contains(about[0], "no such file") {
		t.Errorf("want one line that names the socket and says why:\n%s", strings.Join(lines, "\n"))
	}
	if err := os.Symlink(filepath.Dir(g.Node.NRISocket()), late); err != nil {
		t.Fatal(err)
	}
	it.WaitLogged(t, agent, "synchronized", 1)
}

// SIGTERM ends the agent at once and with status 0, whatever it is doing.
func TestLifecycleTerminates(t *testing.T) {
	n := it.StartNode(t, node.Options{})
	ends := func(t *testing.T, agent *node.Process) {
		t.Helper()
		began := time.Now()
		if err := agent.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case <-agent.Done():
		case <-time.After(5 * time.Second):
			t.Fatal("the agent runs on")
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
		if err := agent.Err(); err != nil {
			t.Errorf("exit status: %v\n%s", err, agent.Log())
		}
	}
	t.Run("connected", func(t *testing.T) { ends(t, it.NewGate(t, n, "").Start(t)) })
	t.Run("at once", func(t *testing.T) {
		// Not before the program can have set up its signals.
		agent := it.NewGate(t, n, "").StartProcess(t)
		it.WaitLogged(t, agent, "nodegate starts", 1)
		ends(t, agent)
	})
	t.Run("registering", func(t *testing.T) {
		if err := n.Containerd().Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = n.Containerd().Signal(syscall.SIGCONT) }()
		agent := it.NewGate(t, n, "").StartProcess(t)
		it.WaitLogged(t, agent, "nodegate starts", 1)
		time.Sleep(300 * time.Millisecond) // it has connected, and nobody answers
		ends(t, agent)
	})
	t.Run("not connected", func(t *testing.T) {
		g := it.NewGate(t, n, "")
		text := fmt.Sprintf("version = 1\nnri.socket = %q\nstate = { dir = %q, shadow_dir = %q }\nserver.listen = %q\n",
			"/run/nodegate-no/nri.sock", g.State, g.Shadows, "unix://"+filepath.Join(filepath.Dir(g.Config), "s.sock"))
		if err := os.WriteFile(g.Config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		agent := g.StartProcess(t)
		it.WaitLogged(t, agent, "not connected", 1)
		time.Sleep(1500 * time.Millisecond) // within the longest wait between two tries
		ends(t, agent)
	})
}
