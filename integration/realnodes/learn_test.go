// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/node"
)

// learnEnv has TestLearn learn from more programs, "all" or some by their names, and from a pod
// that is recorded badly. minimalEnv has it take the entries of what is proposed for each away,
// one by one, which takes an hour for all.
const (
	learnEnv   = "NODEGATE_LEARN"
	minimalEnv = "NODEGATE_MINIMAL"
)

// Privileged pods of real software run without a privilege under exactly what nodegate learn
// proposes from what it observed of them. See learnEnv.
func TestLearn(t *testing.T) {
	if part := it.Inside(); part != "" {
		switch how, names, _ := strings.Cut(part, " "); how {
		case "badly":
			learnBadly(t)
		case "job":
			learnByJob(t)
		case "kinds":
			learnKinds(t)
		case "learn":
			learnFrom(t, names)
		default:
			learnAgain(t, how, names)
		}
		return
	}
	t.Parallel()
	names := cmp.Or(os.Getenv(learnEnv), "squashfuse,serial")
	parts := []string{"learn " + names, "verify squashfuse"}
	if os.Getenv(minimalEnv) != "" {
		parts = nil
		for _, p := range named(names) {
			parts = append(parts, "minimize "+p.name)
		}
	} else if os.Getenv(learnEnv) != "" {
		parts = append(parts, "kinds", "job", "badly")
	}
	m := learner(t, names)
	for _, part := range parts {
		if part == "job" {
			m.bringJob()
		}
		// Code that a kernel changes as it is traced is seldom, but at times, run half changed
		// by an emulator of two processors.
		if err := m.runInside(part); errors.Is(err, machines.ErrPanic) {
			t.Logf("another machine is started for part %q: %v", part, err)
			it.Must(t, m.Close())
			m = learner(t, names)
			m.inside(part)
		} else if err != nil {
			t.Error(err)
		}
	}
	m.nothingLeft()
}

// learner starts a machine for programs, with a serial adapter that says hello where one
// takes devices: the kernel that has no drivers for them comes up in a fraction of the time.
func learner(t *testing.T, names string) *machine {
	t.Helper()
	drivers := slices.ContainsFunc(named(names), func(p program) bool { return p.drivers })
	o := machines.Options{}
	if drivers {
		o.System = machines.TrixieUSB
	}
	m := start(t, o)
	m.install()
	m.sh("sysctl -w kernel.panic_on_oops=1") // or what it broke is waited for
	m.sh("modprobe kvm_amd")                 // which the emulated processor has
	if !drivers {
		return m
	}
	adapter, err := m.PlugSerial(t.Context(), "A1", 1)
	it.Must(t, err)
	t.Cleanup(func() { _ = adapter.Close() }) // the machine may be gone
	go func() {                               // until then
		for {
			if _, err := fmt.Fprintln(adapter, "hello"); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return m
}

// learnFrom is the part on the machine that records all programs in one pod.
func learnFrom(t *testing.T, names string) {
	l := &lesson{T: t, node: attach(t), pod: "learned"}
	for _, p := range named(names) {
		l.learnt = append(l.learnt, &learnt{program: p})
	}
	before, err := os.ReadFile(nodeConfig)
	it.Must(t, err)
	t.Cleanup(func() { l.policy(string(before)) })
	l.policy("version = 1\n") // what is granted already is not proposed
	l.record()
	l.propose()
	l.runAs()
}

// lesson is a pod that is learned from.
type lesson struct {
	*testing.T
	node   *node.Node
	pod    string
	learnt []*learnt
	said   *safeBuffer // by nodegate learn

	proposal struct {
		Limits []string
		Policy string
		Pods   []struct {
			CouldGo    bool
			HostUsers  string
			Containers []struct {
				Name     string
				Profiles []string
			}
		}
		Verified struct {
			Works            bool
			NotRecorded, Cut string
			Verdicts         []struct{ What, Result string }
			Minimized        []struct {
				What, Seen string
				Needed     bool
			}
		}
	}
}

// learnt is a container of it, and what was learned from it.
type learnt struct {
	program
	profiles             []string
	privileged, confined time.Duration
	entries              int      // of the proposal
	needless             []string // those of them that it goes on without
}

func (p *learnt) String() string {
	return fmt.Sprintf("%s, profiles %q: privileged for %.0f s, as proposed for %.0f s; of %d entries it goes on without %q",
		p.name, p.profiles, p.privileged.Seconds(), p.confined.Seconds(), p.entries, p.needless)
}

const (
	nodeConfig = "/etc/nodegate/config.toml"
	saved      = "/root/learned.jsonl"
)

// record runs the pod privileged while nodegate learn observes it, as an administrator does.
func (l *lesson) record() {
	l.Helper()
	stop := l.recording("--pod", "ci/"+l.pod)
	p := it.RunPod(l.T, l.node, node.PodConfig{Name: l.pod, Namespace: "ci", Privileged: true})
	l.says("recording pod") // as the kubelet's containers, those here start later
	for _, of := range l.learnt {
		of.privileged = l.expect(p, of, "privileged", node.ContainerConfig{Name: of.name, Privileged: true})
	}
	stop()
	it.Remove(l.T, p)
}

// propose reads the proposal: every container can go without privileged.
func (l *lesson) propose() {
	l.Helper()
	began := time.Now()
	out, err := exec.Command("nodegate", "learn", "--from", saved, "-o", "json").Output()
	it.Must(l.T, err)
	it.Must(l.T, json.Unmarshal(out, &l.proposal))
	if len(l.proposal.Pods) != 1 || !l.proposal.Pods[0].CouldGo || l.proposal.Pods[0].HostUsers != "false" || len(l.proposal.Limits) > 0 || len(l.proposal.Pods[0].Containers) != len(l.learnt) {
		text, _ := os.ReadFile(saved)
		l.Fatalf("got %s\nfrom %s", out, text)
	}
	l.Logf("proposed after %.1f s:\n%s", time.Since(began).Seconds(), l.proposal.Policy)
	for _, c := range l.proposal.Pods[0].Containers {
		for _, p := range l.learnt {
			if p.name == c.Name {
				p.profiles = c.Profiles
			}
		}
	}
}

// runAs runs the pod as it is proposed.
func (l *lesson) runAs() {
	l.Helper()
	l.policy("version = 1\n" + l.proposal.Policy)
	annotations := map[string]string{}
	for _, of := range l.learnt {
		annotations["profiles.nodegate.dev/container."+of.name] = strings.Join(of.profiles, ",")
	}
	p := l.confinedPod(annotations)
	for _, of := range l.learnt {
		of.confined = l.expect(p, of, "as proposed", node.ContainerConfig{Name: of.name, Seccomp: node.SeccompRuntimeDefault})
	}
	it.Remove(l.T, p)
	for _, of := range l.learnt {
		l.Logf("what was tried: %s", of)
	}
}

// policy makes this the node's policy.
func (l *lesson) policy(text string) {
	l.Helper()
	it.Must(l.T, os.WriteFile(nodeConfig, []byte(text), 0o600))
	if out, err := exec.Command("sh", "-c", reload).CombinedOutput(); err != nil {
		l.Fatalf("%v: %s\n%s", err, out, text)
	}
}

// confinedPod is the pod without a privilege.
func (l *lesson) confinedPod(annotations map[string]string) *node.Pod {
	l.Helper()
	return it.RunPod(l.T, l.node, node.PodConfig{Name: l.pod, Namespace: "ci", UserNamespace: true, Handler: "nodegate", Annotations: annotations})
}

// expect runs the program in a container where it has to work, and returns how long it took.
func (l *lesson) expect(p *node.Pod, of *learnt, how string, c node.ContainerConfig) time.Duration {
	l.Helper()
	began := time.Now()
	got := l.run(p, of, c)
	l.Logf("%s, %s: %s after %.1f s", of.name, how, got, time.Since(began).Seconds())
	if got != "ok" {
		l.Errorf("%s, %s: %s", of.name, how, got)
	}
	return time.Since(began)
}

// run runs a program in a container and returns what its script says, or why it did not run.
func (l *lesson) run(p *node.Pod, of *learnt, config node.ContainerConfig) string {
	l.Helper()
	config.Image, config.Command = node.ImageName(of.image), of.command
	if config.Command == nil {
		config.Command = []string{"sleep", "infinity"}
	}
	if of.volume != "" {
		config.Mounts = l.volume(of)
	}
	c, err := p.RunContainer(l.Context(), config)
	if err != nil {
		return err.Error()
	}
	defer func() {
		_, err := l.node.CRI().StopContainer(l.Context(), it.StopRequest(c))
		it.Must(l.T, err, c.Remove(l.Context()))
	}()
	r, err := c.Exec(l.Context(), "timeout", "-k", "5", "240", "sh", "-c", of.script)
	switch {
	case err != nil:
		return err.Error()
	case r.Code != 0:
		return fmt.Sprintf("exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
}

// volume is a directory for a program, until the test ends.
func (l *lesson) volume(of *learnt) []node.Mount {
	l.Helper()
	dir, err := os.MkdirTemp("/var/lib", "volume-")
	it.Must(l.T, err, os.Chmod(dir, 0o777))
	l.Cleanup(func() { it.Must(l.T, os.RemoveAll(dir)) })
	return []node.Mount{{HostPath: dir, ContainerPath: of.volume}}
}

// safeBuffer keeps what a program writes while it runs.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
