// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// learnt is software that runs privileged at first, and then with what was proposed for it.
type learnt struct {
	image, script string // the script says ok at its end
}

// quickly is what is always learned; slowly what is learned where NODEGATE_LEARN is set, which
// takes many minutes.
var (
	quickly = map[string]learnt{
		"squash": {"tools", "cd /tmp && mkdir m && mksquashfs /etc/default i -quiet -no-progress >/dev/null && squashfuse i m && ls m >/dev/null && fusermount3 -u m && echo ok"},
	}
	slowly = map[string]learnt{
		"tunnel": {"tools", "mkdir -p /var/run/wireguard && wireguard-go wg0 >/dev/null 2>&1 && ip address add 10.99.0.1/24 dev wg0 && ip link set wg0 up && ip link del wg0 && echo ok"},
		"disk":   {"tools", "blockdev --getsize64 /dev/vda >/dev/null && echo ok"},
		"build":  {"nested", "mkdir /b && cd /b && cp /bin/busybox . && printf 'FROM scratch\\nCOPY busybox /bin/sh\\nENTRYPOINT [\"/bin/sh\",\"-c\"]\\n' >Containerfile && podman build --network=none -q -t x . >/dev/null && echo ok"},
	}
)

// learn runs the part on the machine that learns.
func (m *machine) learn() {
	m.Helper()
	m.inside("learn")
	if os.Getenv("NODEGATE_LEARN") != "" {
		m.inside("learn slowly")
	}
}

// learnPods records privileged pods from their start, by nodegate learn as an administrator
// runs it, and runs them again without a privilege under exactly what is proposed.
func learnPods(t *testing.T, all map[string]learnt) {
	l := &lesson{T: t, node: attach(t), all: all, pod: "learned"}
	before, err := os.ReadFile(nodeConfig)
	it.Must(t, err)
	t.Cleanup(func() { l.policy(string(before)) })
	l.policy("version = 1\n") // what is granted already is not proposed
	l.record()
	l.propose()
	l.policy("version = 1\n" + l.proposal.Policy)
	l.runAs()
}

// lesson is one pod that is learned from.
type lesson struct {
	*testing.T
	node     *node.Node
	all      map[string]learnt
	pod      string
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
	}
}

const (
	learned    = "/root/learned.jsonl"
	nodeConfig = "/etc/nodegate/config.toml"
)

// record runs the pod privileged while nodegate learn observes it.
func (l *lesson) record() {
	l.Helper()
	said := &safeBuffer{}
	record := exec.Command("nodegate", "learn", "--pod", "ci/"+l.pod, "--for", "30m", "--save", learned)
	record.Stdout, record.Stderr = said, said
	it.Must(l.T, record.Start())
	ended := make(chan error, 1)
	go func() { ended <- record.Wait() }()
	l.Cleanup(func() {
		_ = record.Process.Kill() // it has ended, unless the test failed
		l.Logf("nodegate learn:\n%s", said)
	})
	began := time.Now()
	l.says(said, "waiting for pod")
	l.Logf("the kernel takes the programs after %.1f s", time.Since(began).Seconds())
	began = time.Now()
	p := it.RunPod(l.T, l.node, node.PodConfig{Name: l.pod, Namespace: "ci", Privileged: true})
	l.says(said, "recording pod") // as the kubelet's containers, those here start later
	for name, of := range l.all {
		c := it.RunContainer(l.T, p, node.ContainerConfig{Name: name, Image: node.ImageName(of.image), Command: []string{"sleep", "infinity"}, Privileged: true})
		if got := it.Sh(l.T, c, of.script); got != "ok" {
			l.Errorf("%s, privileged: %s", name, got)
		}
	}
	it.Must(l.T, record.Process.Signal(os.Interrupt))
	it.Must(l.T, <-ended)
	it.Remove(l.T, p)
	l.Logf("the pod ran and was recorded for %.1f s", time.Since(began).Seconds())
}

// says waits until nodegate learn says something.
func (l *lesson) says(said *safeBuffer, text string) {
	l.Helper()
	for until := time.Now().Add(limit); !strings.Contains(said.String(), text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			l.Fatalf("nodegate learn does not say %q", text)
		}
	}
}

// propose reads the proposal: every container can go without privileged.
func (l *lesson) propose() {
	l.Helper()
	out, err := exec.Command("nodegate", "learn", "--from", learned, "-o", "json").Output()
	it.Must(l.T, err)
	it.Must(l.T, json.Unmarshal(out, &l.proposal))
	if len(l.proposal.Pods) != 1 || !l.proposal.Pods[0].CouldGo || l.proposal.Pods[0].HostUsers != "false" || len(l.proposal.Limits) > 0 || len(l.proposal.Pods[0].Containers) != len(l.all) {
		text, _ := os.ReadFile(learned)
		l.Fatalf("got %s\nfrom %s", out, text)
	}
}

// policy makes this the node's policy.
func (l *lesson) policy(text string) {
	l.Helper()
	it.Must(l.T, os.WriteFile(nodeConfig, []byte(text), 0o600))
	if out, err := exec.Command("sh", "-c", reload).CombinedOutput(); err != nil {
		l.Fatalf("%v: %s", err, out)
	}
}

// runAs runs the pod as the proposal has it.
func (l *lesson) runAs() {
	l.Helper()
	annotations := map[string]string{}
	for _, c := range l.proposal.Pods[0].Containers {
		if len(c.Profiles) > 0 {
			annotations["profiles.nodegate.dev/container."+c.Name] = strings.Join(c.Profiles, ",")
		}
		l.Logf("%s: %s", c.Name, c.Profiles)
	}
	p := it.RunPod(l.T, l.node, node.PodConfig{Name: l.pod, Namespace: "ci", UserNamespace: true, Handler: "nodegate", Annotations: annotations})
	for name, of := range l.all {
		c := it.RunContainer(l.T, p, node.ContainerConfig{Name: name, Image: node.ImageName(of.image), Command: []string{"sleep", "infinity"}, Seccomp: node.SeccompRuntimeDefault})
		if got := it.Sh(l.T, c, of.script); got != "ok" {
			l.Errorf("%s, as proposed: %s", name, got)
		}
	}
	it.Remove(l.T, p)
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
