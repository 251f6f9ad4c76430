// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

const (
	soakSample  = 2 * time.Second  // between two looks at the agent
	soakAgent   = 4 * time.Minute  // between two kills of it
	soakBack    = 20 * time.Second // until a killed agent is back; half a second on a quiet machine
	soakOut     = 20 * time.Second // that an agent which containerd closed may stay out
	soakGrowth  = 8 << 10          // KiB of memory above the most of the first half
	soakHandles = 8                // of descriptors, above the same
)

const soakPolicy = `
[[grants]]
namespaces = ["honest"]
profiles = ["ping"]
apply = "always"
[[grants]]
namespaces = ["honest"]
profiles = ["no-mknod"]
apply = "always"
[[grants]]
namespaces = ["hostile"]
profiles = ["fuse"]
accept = ["devices.noderesource.dev", "devices.gke.io"]
`

// soak is one run.
type soak struct {
	t     *testing.T
	n     *node.Node
	g     *it.Gate
	until time.Time

	agent *node.Process

	mu     sync.Mutex
	agents int  // that have been replaced
	absent bool // one is being replaced
	tally  map[string]int
}

// sample is what an agent holds.
type sample struct{ kib, handles, threads int }

// TestSoakHostile runs honest pods beside an author who tries everything that an author
// can write: large labels and environments, odd names, YAML that grows, restarts. Every
// honest pod has its adjustment, the agent is back at once whenever it is killed, and what
// it holds stays as it is. NODEGATE_SOAK is how long, two minutes if nobody says.
func TestSoakHostile(t *testing.T) {
	length := 2 * time.Minute
	if d, err := time.ParseDuration(os.Getenv("NODEGATE_SOAK")); err == nil {
		length = d
	}
	n := it.StartNode(t, node.Options{})
	s := &soak{t: t, n: n, g: it.NewGate(t, n, soakPolicy), until: time.Now().Add(length), tally: map[string]int{}}
	s.agent = s.g.StartProcess(t)
	it.WaitLogged(t, s.agent, "msg=synchronized", 1)

	var wg sync.WaitGroup
	wg.Go(func() { s.repeat("honest", s.honest) })
	wg.Go(func() { s.repeat("hostile", s.hostile) })
	wg.Go(func() { s.repeat("large", s.large) })
	for left := time.Until(s.until); left > 0; left = time.Until(s.until) {
		s.watch(min(left, soakAgent))
		s.replace()
	}
	wg.Wait()
	t.Logf("%v: %v", length, s.tally)
	if s.tally["honest: as granted"] == 0 || s.tally["large: refused"] == 0 || s.tally["hostile: refused"] == 0 {
		t.Error("not all of it happened")
	}
	if left := s.g.Left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	it.Must(t, s.agent.Stop(t.Context()))
}

// repeat does something until the time is over. What it says is counted.
func (s *soak) repeat(who string, do func(i int) string) {
	for i := 0; time.Now().Before(s.until); i++ {
		said := do(i)
		s.mu.Lock()
		s.tally[who+": "+said]++
		s.mu.Unlock()
	}
}

// run runs a pod with one container, and removes it. The pods of one who repeats them
// never have the same name twice.
func (s *soak) run(name string, p node.PodConfig, c node.ContainerConfig, look func(*node.Container) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), it.Limit)
	defer cancel()
	p.Name = fmt.Sprint(name, "-", it.PodNumber.Add(1))
	p.UID = p.Name
	pod, err := s.n.RunPod(ctx, p)
	if err != nil {
		return err
	}
	ctr, err := pod.RunContainer(ctx, c)
	if err == nil && look != nil {
		err = look(ctr)
	}
	s.remove(pod)
	return err
}

// remove tries again, as the kubelet does.
func (s *soak) remove(pod *node.Pod) {
	var err error
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), it.Limit)
		err = pod.Remove(ctx)
		cancel()
		if err == nil {
			return
		}
	}
	s.t.Errorf("removing %s: %v", pod.Config.Name, err)
}

// honest is a pod that has to have its adjustment. One that is created while the agent is
// being replaced may be refused, which its kubelet would try again; that it runs without is
// the failure.
func (s *soak) honest(int) string {
	ran, before := false, s.epoch()
	err := s.run("honest", node.PodConfig{Namespace: "honest"}, node.ContainerConfig{AddCapabilities: []string{"MKNOD"}, Seccomp: node.SeccompRuntimeDefault},
		func(c *node.Container) error {
			ran = true
			return it.Check(context.Background(), c, []it.Fact{
				it.Answers("mknod b /tmp/b 7 0", "EPERM"), it.Answers("sysctl net.ipv4.ping_group_range", "0 2147483647"),
			})
		})
	switch {
	case err == nil:
		return "as granted"
	case !ran:
		return "refused"
	case before < 0 || before != s.epoch():
		return "unadjusted while there was no agent" // see docs/security.md, when the agent is down
	}
	s.t.Errorf("an honest pod: %v", err)
	return "unadjusted"
}

// hostile is a pod whose author writes what nobody should.
func (s *soak) hostile(i int) string {
	bomb := "a: &a [x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	annotations := []map[string]string{
		{"profiles.nodegate.dev": strings.Repeat("ping,", 800)},
		{"profiles.nodegate.dev/pod": "\x00\u202e../../etc", "profiles.nodegate.dev/container.": "fuse"},
		{"devices.noderesource.dev/pod": bomb},
		{"devices.gke.io": "- path: /dev/" + strings.Repeat("../", 500) + "kmsg\n"},
		{"devices.noderesource.dev/container.main": strings.Repeat("- path: /dev/fuse\n", 2000)},
		{"nodegate.dev/nonce": "0123456789abcdef0123456789abcdef", "profiles.nodegate.dev": "fuse"},
		{"resource.nodegate.dev/kvm": "unit-0", "profiles.nodegate.dev": "kvm"},
		{"profiles.nodegate.dev": "no-such-profile"},
	}
	a := annotations[i%len(annotations)]
	if err := s.run("hostile", node.PodConfig{Namespace: "hostile", Annotations: a, UserNamespace: i%3 == 0},
		node.ContainerConfig{Name: []string{"main", "pod", "c-" + strings.Repeat("x", 60)}[i%3]}, nil); err != nil {
		return "refused"
	}
	return "runs"
}

// large is a pod that is too large to be listed, or nearly.
func (s *soak) large(i int) string {
	before := s.epoch()
	p, c := node.PodConfig{Namespace: "nobody"}, node.ContainerConfig{Env: map[string]string{}}
	switch i % 4 {
	case 0, 1:
		p.Labels = map[string]string{}
		for j := range []int{400, 16000}[i%4] {
			p.Labels[fmt.Sprintf("label-%05d", j)] = strings.Repeat("x", 60)
		}
	default:
		for j := range []int{3, 19}[i%4-2] {
			c.Env[fmt.Sprint("LARGE", j)] = strings.Repeat("x", 100<<10)
		}
	}
	if err := s.run("large", p, c, nil); err != nil {
		return "refused"
	}
	if i%2 == 1 && before >= 0 && before == s.epoch() {
		s.t.Errorf("a pod that is too large runs: case %d", i%4)
	}
	return "runs"
}

// epoch numbers the agents' connections; it is -1 while there is none.
func (s *soak) epoch() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.agent.Log()
	if s.absent || strings.LastIndex(log, lost) > strings.LastIndex(log, "msg=synchronized") {
		return -1
	}
	return s.agents<<16 + strings.Count(log, lost)
}

// lost is what an agent says that containerd has closed: for the tests' own load, on a
// machine that has other work.
const lost = "not connected to the runtime"

// watch looks at one agent as long as it runs.
func (s *soak) watch(length time.Duration) {
	began := time.Now()
	var first, most sample
	there := began
	for over := began.Add(length); time.Now().Before(over); {
		time.Sleep(min(soakSample, time.Until(over)))
		now := look(s.t, s.agent.Pid())
		if s.epoch() >= 0 {
			there = time.Now()
		} else if out := time.Since(there); out > soakOut {
			s.t.Errorf("the agent is out for %v", out)
		}
		if time.Since(began) < length/2 {
			first = worst(first, now)
		}
		most = worst(most, now)
	}
	s.t.Logf("an agent of %v: at most %+v in the first half, %+v in all", time.Since(began).Round(time.Second), first, most)
	if first.kib > 0 && (most.kib > first.kib+soakGrowth || most.handles > first.handles+soakHandles) {
		s.t.Errorf("it grows: at most %+v in the first half, %+v in all", first, most)
	}
	if log := s.agent.Log(); strings.Contains(log, "panic=") {
		s.t.Errorf("it panicked:\n%s", log)
	} else if times := strings.Count(log, lost); times > 0 {
		s.t.Logf("containerd closed it %d times", times)
	}
}

// replace kills the agent and starts another one.
func (s *soak) replace() {
	s.mu.Lock()
	s.absent = true
	s.mu.Unlock()
	it.Must(s.t, s.agent.Kill())
	began := time.Now()
	agent := s.g.StartProcess(s.t)
	it.WaitLogged(s.t, agent, "msg=synchronized", 1)
	back := time.Since(began)
	s.t.Logf("another agent was there after %v", back.Round(time.Millisecond))
	if back > soakBack {
		s.t.Errorf("another agent took %v", back)
	}
	time.Sleep(2 * time.Second) // what was created meanwhile has been looked at
	s.mu.Lock()
	s.agent = agent
	s.agents++
	s.absent = false
	s.mu.Unlock()
}

func worst(a, b sample) sample {
	return sample{max(a.kib, b.kib), max(a.handles, b.handles), max(a.threads, b.threads)}
}

// look reads what a process holds.
func look(t *testing.T, pid int) sample {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	it.Must(t, err)
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	it.Must(t, err)
	s := sample{handles: len(fds)}
	for line := range strings.Lines(string(status)) {
		for name, to := range map[string]*int{"RssAnon:": &s.kib, "Threads:": &s.threads} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				*to, err = strconv.Atoi(strings.Fields(rest)[0])
				it.Must(t, err)
			}
		}
	}
	return s
}
