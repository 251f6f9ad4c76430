// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

const (
	policyReplaced = "policy replaced"
	badPolicy      = "the new policy has errors"
)

// grantPing grants ping in a namespace.
func grantPing(namespace string) string {
	return fmt.Sprintf("[[grants]]\nnamespaces = [%q]\nprofiles = [\"ping\"]\n", namespace)
}

// reloading is a pod that asks for ping, and an agent whose policy changes.
type reloading struct {
	*it.Gate
	agent *node.Process
	pod   *node.Pod
	tries int
	loads int // policies that replaced another
}

// startReloading starts with a policy that does not grant ping to the pod.
func startReloading(t *testing.T, n *node.Node) *reloading {
	t.Helper()
	g, agent := it.StartAgent(t, n, grantPing("other"))
	pod := it.RunPod(t, n, node.PodConfig{UserNamespace: true, Annotations: it.AskFor("ping")})
	r := &reloading{Gate: g, agent: agent, pod: pod}
	r.expectGranted(t, false)
	return r
}

// expectGranted creates a container, which is adjusted or refused.
func (r *reloading) expectGranted(t *testing.T, want bool) {
	t.Helper()
	r.tries++
	c := node.ContainerConfig{Name: fmt.Sprintf("try-%d", r.tries)}
	if !want {
		if got := it.Refusal(t, r.pod, c); !strings.Contains(got, `"ping", which is not granted`) {
			t.Errorf("refused with %q", got)
		}
		return
	}
	container := it.RunContainer(t, r.pod, c)
	it.Expect(t, container, "sysctl net.ipv4.ping_group_range", "0 65535")
	if err := container.Remove(t.Context()); err != nil {
		t.Error(err)
	}
}

// expectLoaded waits for the agent to have replaced its policy once more.
func (r *reloading) expectLoaded(t *testing.T) {
	t.Helper()
	r.loads++
	it.WaitLogged(t, r.agent, policyReplaced, r.loads)
}

// text is the policy of the gate's file with another grant.
func (r *reloading) text(t *testing.T, grant string) []byte {
	t.Helper()
	old, err := os.ReadFile(r.Config)
	if err != nil {
		t.Fatal(err)
	}
	return withGrant(old, grant)
}

// withGrant is a policy's text with another grant.
func withGrant(text []byte, grant string) []byte {
	head, _, _ := strings.Cut(string(text), "[[grants]]")
	return []byte(head + grant)
}

// Each way in which a policy's files change reaches the containers that come.
func TestLifecycleReload(t *testing.T) {
	n := it.StartNode(t, node.Options{})
	r := startReloading(t, n)
	dir := filepath.Dir(r.Config)
	granted := r.text(t, grantPing("default"))
	denied := r.text(t, grantPing("other"))

	t.Run("written in place", func(t *testing.T) {
		it.Must(t, os.WriteFile(r.Config, granted, 0o600))
		r.expectLoaded(t)
		r.expectGranted(t, true)
	})
	t.Run("replaced by a rename", func(t *testing.T) {
		it.Must(t, os.WriteFile(r.Config+"~", denied, 0o600), os.Rename(r.Config+"~", r.Config))
		r.expectLoaded(t)
		r.expectGranted(t, false)
	})
	t.Run("a drop-in comes and goes", func(t *testing.T) {
		dropIn := filepath.Join(dir, "conf.d", "10-ping.toml")
		it.Must(t, os.Mkdir(filepath.Dir(dropIn), 0o755), os.WriteFile(dropIn, []byte("version = 1\n"+grantPing("default")), 0o600))
		r.expectLoaded(t)
		r.expectGranted(t, true)
		it.Must(t, os.Remove(dropIn))
		r.expectLoaded(t)
		r.expectGranted(t, false)
	})
	t.Run("SIGHUP", func(t *testing.T) {
		// Unseen by who watches the directory that was there before.
		it.Must(t, os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o700), os.WriteFile(r.Config, granted, 0o600))
		r.expectGranted(t, false)
		it.Must(t, r.agent.Signal(syscall.SIGHUP))
		r.expectLoaded(t)
		r.expectGranted(t, true)
		it.Must(t, r.agent.Signal(syscall.SIGHUP)) // nothing new: nothing happens
		it.WaitLogged(t, r.agent, "the policy has not changed", 1)
	})
	if got := strings.Count(r.agent.Log(), policyReplaced); got != r.loads {
		t.Errorf("the policy was replaced %d times, want %d", got, r.loads)
	}
	it.Remove(t, r.pod)
}

// The kubelet changes the files of a ConfigMap by swapping the link ..data.
func TestLifecycleReloadConfigMap(t *testing.T) {
	n := it.StartNode(t, node.Options{})
	g := it.NewGate(t, n, grantPing("other"))
	r := &reloading{Gate: g}
	dir := t.TempDir()
	publish := func(version, grant string) {
		t.Helper()
		it.Must(t, os.Mkdir(filepath.Join(dir, version), 0o755),
			os.WriteFile(filepath.Join(dir, version, "config.toml"), r.text(t, grant), 0o644),
			os.Symlink(version, filepath.Join(dir, "..data_tmp")),
			os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	publish("..v1", grantPing("other"))
	it.Must(t, os.Symlink("..data/config.toml", filepath.Join(dir, "config.toml")))
	g.Config = filepath.Join(dir, "config.toml")
	r.agent = g.Start(t)
	r.pod = it.RunPod(t, n, node.PodConfig{UserNamespace: true, Annotations: it.AskFor("ping")})
	r.expectGranted(t, false)
	for _, step := range []struct {
		version, namespace string
	}{{"..v2", "default"}, {"..v3", "other"}} {
		publish(step.version, grantPing(step.namespace))
		r.expectLoaded(t)
		r.expectGranted(t, step.namespace == "default")
	}
}

// A policy with errors is told with its place and counted, and the former stays.
func TestLifecycleReloadBad(t *testing.T) {
	n := it.StartNode(t, node.Options{})
	r := startReloading(t, n)
	good := r.text(t, grantPing("default"))
	it.Must(t, os.WriteFile(r.Config, good, 0o600))
	r.expectLoaded(t)
	lines := strings.Count(string(good), "\n")
	for i, bad := range []struct{ text, problem string }{
		{"colour = \"red\"\n", "grants[0].colour is not a key"}, {"[profiles.x\n", "this is not TOML"},
	} {
		it.Must(t, os.WriteFile(r.Config, append([]byte(string(good)), bad.text...), 0o600))
		it.WaitLogged(t, r.agent, badPolicy, i+1)
		log := r.agent.Log()
		for _, want := range []string{fmt.Sprintf("%s:%d: %s", r.Config, lines+1, bad.problem), fmt.Sprintf("failed_reloads=%d", i+1)} {
			if !strings.Contains(log, want) {
				t.Errorf("without %q: %s", want, log)
			}
		}
		r.expectGranted(t, true)
	}
	it.Must(t, os.Remove(r.Config))
	it.WaitLogged(t, r.agent, badPolicy, 3)
	r.expectGranted(t, true)
	it.Must(t, os.WriteFile(r.Config, withGrant(good, grantPing("other")), 0o600))
	r.expectLoaded(t)
	r.expectGranted(t, false)

	const warning = "takes effect when the agent is started again"
	if strings.Contains(r.agent.Log(), warning) {
		t.Error("the agent warns of a change that there was not")
	}
	elsewhere := strings.Replace(string(withGrant(good, grantPing("default"))), "/state", "/elsewhere", 1)
	it.Must(t, os.WriteFile(r.Config, []byte(elsewhere), 0o600))
	r.expectLoaded(t)
	it.WaitLogged(t, r.agent, warning, 1)
	r.expectGranted(t, true)
	if _, err := os.Stat(filepath.Join(filepath.Dir(r.Config), "elsewhere")); err == nil {
		t.Error("a change to [state] took effect")
	}
}

// An agent never starts with a bad policy.
func TestLifecycleBadPolicyAtStart(t *testing.T) {
	g := it.NewGate(t, it.StartNode(t, node.Options{}), "colour = \"red\"\n[[grants]]\nprofiles = [\"pnig\"]\nnamespaces = [\"*\"]\n")
	out, err := exec.CommandContext(t.Context(), g.Binary, "run", "--config", g.Config).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("ended with %v", err)
	}
	for _, want := range []string{g.Config + ":6", "colour", g.Config + ":8", "pnig", "ping"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("without %q: %s", want, out)
		}
	}
}
