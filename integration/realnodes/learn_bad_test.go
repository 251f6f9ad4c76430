// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// floods is more different things than are kept of one container.
const floods = 20_000

// learnBadly records, by a selector, a pod of ten containers that comes: one ends at once, one
// is not privileged, one floods the recorder and names what it opens with escape codes.
func learnBadly(t *testing.T) {
	l := &lesson{T: t, node: attach(t), pod: "badly"}
	alone := it.RunContainer(t, it.RunPod(t, l.node, node.PodConfig{Namespace: "ci", Privileged: true}), node.ContainerConfig{Privileged: true})
	before := fastest(t, alone)
	stop := l.recording("-n", "ci", "--selector", "app=badly")
	p := it.RunPod(t, l.node, node.PodConfig{Name: l.pod, Namespace: "ci", Privileged: true, Labels: map[string]string{"app": "badly"}})
	l.says("recording pod")
	running := map[string]*node.Container{}
	for _, name := range []string{"ends", "plain", "hostile", "c3", "c4", "c5", "c6", "c7", "c8", "c9"} {
		c := node.ContainerConfig{Name: name, Privileged: name != "plain"}
		if name == "ends" {
			c.Command = []string{"/probe", "open", "/dev/fuse"}
		}
		running[name] = it.RunContainer(t, p, c)
	}
	it.Expect(t, running["plain"], "open /dev/fuse", "ENOENT")
	const named = "/dev/\x1b[2Jx"
	it.ExpectEach(t, running["hostile"], []it.QA{{"mknod c " + named + " 10 229", "ok"}, {"open " + named + " rw", "ok"}})
	t.Logf("it floods %s times a second", it.Probe(t, running["hostile"], "flood", strconv.Itoa(floods)))
	beside := fastest(t, running["c3"])
	t.Logf("a system call takes %d ns, and %d ns while it is recorded: %.2f times as long", before, beside, float64(beside)/float64(before))
	stop()
	it.Remove(t, p)
	l.reported()
}

// fastest is the least number of nanoseconds that a system call takes.
func fastest(t *testing.T, c *node.Container) int {
	t.Helper()
	least := 0
	for range 5 {
		ns, err := strconv.Atoi(it.Probe(t, c, "calls", "50000"))
		it.Must(t, err)
		if least == 0 || ns < least {
			least = ns
		}
	}
	return max(least, 1)
}

// reported sees that the report has all ten containers, says what was left out, and writes no
// escape code.
func (l *lesson) reported() {
	l.Helper()
	out, err := exec.Command("nodegate", "learn", "--from", saved).CombinedOutput()
	it.Must(l.T, err)
	for _, want := range []string{`"ends"`, `"plain"`, `"hostile"`, `"c9"`, "it is not privileged", `\x1b[2Jx`} {
		if !strings.Contains(string(out), want) {
			l.Errorf("the report does not say %s", want)
		}
	}
	if strings.Contains(string(out), "\x1b") {
		l.Errorf("the report has an escape code: %q", out)
	}
	evidence, err := os.ReadFile(saved)
	it.Must(l.T, err)
	omitted, lost := 0, 0
	for line := range strings.Lines(string(evidence)) {
		var e struct {
			Omitted int
			Lost    int
		}
		it.Must(l.T, json.Unmarshal([]byte(line), &e))
		omitted, lost = omitted+e.Omitted, lost+e.Lost
	}
	l.Logf("%d events are left out, %d are lost", omitted, lost)
	if omitted+lost == 0 || omitted > 0 && !strings.Contains(string(out), "events are left out") || lost > 0 && !strings.Contains(string(out), "events were lost") {
		l.Errorf("%d events are left out, %d lost: the report says\n%s", omitted, lost, out)
	}
	if size := len(evidence); size > 8<<20 {
		l.Errorf("the evidence has %d bytes", size)
	}
}

// recording has nodegate learn observe, as an administrator does, until stop.
func (l *lesson) recording(of ...string) (stop func()) {
	l.Helper()
	l.said = &safeBuffer{}
	said := l.said
	record := exec.Command("nodegate", append([]string{"learn", "--for", "30m", "--save", saved}, of...)...)
	record.Stdout, record.Stderr = said, said
	l.processors("0")
	it.Must(l.T, record.Start())
	ended := make(chan error, 1)
	go func() { ended <- record.Wait() }()
	l.Cleanup(func() {
		_ = record.Process.Kill() // it has ended, unless the test failed
		l.Logf("nodegate learn used %s of the processors:\n%.20000s", record.ProcessState.UserTime()+record.ProcessState.SystemTime(), said)
	})
	began := time.Now()
	l.says("waiting for pod")
	l.Logf("the kernel takes the programs after %.1f s", time.Since(began).Seconds())
	l.processors("1")
	return func() {
		l.processors("0")
		it.Must(l.T, record.Process.Signal(os.Interrupt))
		it.Must(l.T, <-ended)
		l.processors("1")
	}
}

// processors takes the machine's second processor, and gives it back: two of an emulator do
// not always see in time what a kernel changes of its own code, as it does to be traced.
func (l *lesson) processors(second string) {
	l.Helper()
	it.Must(l.T, os.WriteFile("/sys/devices/system/cpu/cpu1/online", []byte(second), 0o600))
}

// says waits until nodegate learn says something.
func (l *lesson) says(text string) {
	l.Helper()
	for until := time.Now().Add(limit); !strings.Contains(l.said.String(), text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			l.Fatalf("nodegate learn does not say %q", text)
		}
	}
}
