// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// learnt is what nodegate learn says of a pod that it has run again.
type learnt struct {
	Policy   string
	Verified struct {
		Works     bool
		Seen      string
		Minimized []struct {
			Container, What, Seen string
			Needed                bool
		}
	}
}

// A privileged pod runs again under what is proposed, beside the agent, whose policy grants
// nothing; what makes no difference is taken away; and nothing is left of any of it.
func TestVerify(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse", "/dev/net/tun")
	n := it.SharedNode(t)
	g, agent := it.StartAgent(t, n, "")
	p := it.RunPod(t, n, node.PodConfig{Name: "learned", Namespace: "ci", Privileged: true})
	opens := func(name, path string) *node.Container {
		return it.RunContainer(t, p, node.ContainerConfig{Name: name, Command: []string{node.ProbePath, "open", path, "rw"}, Privileged: true})
	}
	fuse := opens("main", "/dev/fuse")
	head := `{"type":"recording","version":1,"recorder":"test","from":"2026-01-02T10:00:00Z"}` + "\n"
	container := func(c *node.Container) string {
		return fmt.Sprintf(`{"type":"container","id":%q,"namespace":"ci","pod":"learned","name":%q,"privileged":true,"fromStart":true}`, c.ID, c.Config.Name) + "\n"
	}
	device := func(c *node.Container, numbers, path string) string {
		return fmt.Sprintf(`{"type":"device","container":%q,"program":"probe","call":"openat","device":"c %s","path":%q,"node":%q,"access":"rw"}`, c.ID, numbers, path, path) + "\n"
	}
	end := `{"type":"end","to":"2026-01-02T10:00:05Z","lost":0}` + "\n"
	learn := func(t *testing.T, evidence string, args ...string) (learnt, string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "seen.jsonl")
		it.Must(t, os.WriteFile(file, []byte(head+evidence+end), 0o600))
		cmd := n.Command(g.Binary, append([]string{"learn", "--config", g.Config, "--runtime-endpoint", "unix://" + n.CRISocket(),
			"--from", file, "-o", "json"}, args...)...)
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		err := cmd.Run()
		var l learnt
		if jsonErr := json.Unmarshal(out.Bytes(), &l); jsonErr != nil {
			t.Errorf("%v: %s", jsonErr, &out)
		}
		if err != nil {
			said.WriteString(err.Error())
		}
		t.Logf("learn %q: %s%s", args, &said, &out)
		return l, said.String()
	}

	t.Run("all that makes no difference goes", func(t *testing.T) {
		l, said := learn(t, container(fuse)+device(fuse, "10:229", "/dev/fuse")+device(fuse, "10:200", "/dev/net/tun"), "--minimize", "--for", "1m")
		found := l.Verified.Minimized
		if !l.Verified.Works || strings.Contains(said, "exit status") || len(found) != 2 ||
			found[0].What != "/dev/fuse" || !found[0].Needed || found[0].Seen != "ended with status 1" ||
			found[1].What != "/dev/net/tun" || found[1].Needed || found[1].Seen != "ended with status 0" {
			t.Errorf("got %+v", l.Verified)
		}
		if !strings.Contains(l.Policy, `"fuse"`) || strings.Contains(l.Policy, "tun") {
			t.Errorf("proposed: %s", l.Policy)
		}
	})
	t.Run("what it lacks", func(t *testing.T) {
		l, said := learn(t, container(fuse)+device(fuse, "10:200", "/dev/net/tun"), "--verify", "--for", "1m")
		if l.Verified.Works || !strings.Contains(said, "pod ci/learned does not work under the proposal: ended with status 1") {
			t.Errorf("got %+v", l.Verified)
		}
	})
	t.Run("a check says whether it works", func(t *testing.T) {
		sleeps := it.RunContainer(t, p, node.ContainerConfig{Name: "sleeps", Privileged: true})
		seen := container(sleeps) + device(sleeps, "10:229", "/dev/fuse")
		if l, said := learn(t, seen, "--verify", "--for", "2s"); !l.Verified.Works || l.Verified.Seen != "went on" || strings.Contains(said, "exit status") {
			t.Errorf("got %+v", l.Verified)
		}
		if _, said := learn(t, seen, "--minimize", "--for", "2s"); !strings.Contains(said, "write --check COMMAND") {
			t.Errorf("without a check: %s", said)
		}
		l, _ := learn(t, seen, "--verify", "--for", "1m", "--check", node.ProbePath+" open /dev/fuse rw")
		if !l.Verified.Works || l.Verified.Seen != "the check succeeds" {
			t.Errorf("got %+v", l.Verified)
		}
	})
	t.Run("a pod that somebody else runs", func(t *testing.T) {
		// The agent would give it nothing: its policy grants nothing, and it asks for nothing.
		ready := filepath.Join(t.TempDir(), "ready")
		done := make(chan learnt, 1)
		go func() {
			l, _ := learn(t, container(fuse)+device(fuse, "10:229", "/dev/fuse"), "--verify", "--for", "1m", "--run", "touch "+ready)
			done <- l
		}()
		for until := time.Now().Add(it.Limit); ; time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(ready); err == nil || time.Now().After(until) {
				break
			}
		}
		again := it.RunPod(t, n, node.PodConfig{Name: "learned", Namespace: "ci", UID: "again", UserNamespace: true})
		it.RunContainer(t, again, node.ContainerConfig{Name: "main", Command: []string{node.ProbePath, "open", "/dev/fuse", "rw"}})
		if l := <-done; !l.Verified.Works || l.Verified.Seen != "ended with status 0" {
			t.Errorf("got %+v", l.Verified)
		}
		it.Remove(t, again)
	})
	t.Run("ten containers, and Ctrl-C", func(t *testing.T) {
		var seen string
		for i := range 10 {
			c := it.RunContainer(t, p, node.ContainerConfig{Name: fmt.Sprintf("c%d", i), Privileged: true})
			seen += container(c) + device(c, "10:229", "/dev/fuse")
		}
		file := filepath.Join(t.TempDir(), "seen.jsonl")
		it.Must(t, os.WriteFile(file, []byte(head+seen+end), 0o600))
		cmd := n.Command(g.Binary, "learn", "--config", g.Config, "--runtime-endpoint", "unix://"+n.CRISocket(), "--from", file, "--verify")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		it.Must(t, cmd.Start())
		for until := time.Now().Add(it.Limit); copies(t, n, p) < 10 && time.Now().Before(until); {
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(3 * time.Second) // until the program has the answer about the last
		it.Must(t, cmd.Process.Signal(os.Interrupt))
		err := cmd.Wait()
		if text := out.String(); err != nil || strings.Count(text, "unknown: it was not used in this run") != 10 || strings.Count(text, ` went on`) != 10 {
			t.Errorf("%v: got %s", err, text)
		}
	})
	t.Run("what cannot be verified", func(t *testing.T) {
		gone := *fuse
		gone.ID = strings.Repeat("0", 64)
		for text, evidence := range map[string]string{
			"pod ci/learned is not privileged: there is nothing to verify":                     strings.Replace(container(fuse), `"privileged":true`, `"privileged":false`, 1),
			`container "main" of pod ci/learned stays privileged, so that nothing is verified`: container(fuse) + fmt.Sprintf(`{"type":"capability","container":%q,"program":"p","call":"init_module","capability":"SYS_MODULE","over":"node"}`, fuse.ID) + "\n",
			`container "main" is gone, so that no copy of it can run: write --run COMMAND`:     container(&gone) + device(&gone, "10:229", "/dev/fuse"),
		} {
			if l, said := learn(t, evidence, "--verify"); !strings.Contains(said, text) || l.Verified.Seen != "" {
				t.Errorf("want %q: %+v", text, l.Verified)
			}
		}
	})
	list, err := n.CRI().ListPodSandbox(t.Context(), &runtimeapi.ListPodSandboxRequest{})
	it.Must(t, err)
	for _, s := range list.GetItems() {
		if s.GetId() != p.ID && s.GetMetadata().GetNamespace() == "ci" {
			t.Errorf("pod %s is left", s.GetMetadata())
		}
	}
	it.Remove(t, p)
	if text := agent.Log(); strings.Contains(text, "panic") {
		t.Error("the agent panicked")
	}
	for until := time.Now().Add(it.Limit); len(g.Left()) > 0 && time.Now().Before(until); {
		time.Sleep(50 * time.Millisecond) // the agent learns of the end a moment later
	}
}

// copies counts the containers that run in other pods of namespace "ci" than one.
func copies(t *testing.T, n *node.Node, but *node.Pod) (running int) {
	t.Helper()
	list, err := n.CRI().ListContainers(t.Context(), &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{
		State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_RUNNING}}})
	it.Must(t, err)
	for _, c := range list.GetContainers() {
		if c.GetPodSandboxId() != but.ID && c.GetLabels()["io.kubernetes.pod.namespace"] == "ci" {
			running++
		}
	}
	return running
}
