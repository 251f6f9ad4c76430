// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

const (
	startsEvery   = 50 * time.Millisecond // twenty a second
	startsPods    = 20                    // that take turns
	startsAtOnce  = 12
	startsLatency = time.Second // the most for 99 of 100 requests; a runtime waits for 2 s
)

const startsPolicy = `
[[grants]]
namespaces = ["ci"]
profiles = ["fuse"]
`

// TestSoakStarts starts twenty containers a second, of which one in ten is granted a
// device, in turns with and without a user namespace, and one in a hundred asks for what
// it is not granted. That one is refused, no other; nothing is left over. A machine that
// cannot start so many starts what it can, which it does without an agent first, for a
// quarter of the time. The runtime's own metrics say how long the agent takes; TestSoakNRI
// has it see more than a small machine's containerd can start. NODEGATE_SOAK_STARTS is how
// long, twenty seconds if it is not set.
func TestSoakStarts(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	length := 20 * time.Second
	if d, err := time.ParseDuration(os.Getenv("NODEGATE_SOAK_STARTS")); err == nil {
		length = d
	}
	n := it.StartNode(t, node.Options{ExtraConfig: "[plugins.'io.containerd.server.v1.metrics']\naddress = \"127.0.0.1:1338\"\n"})
	s := &starts{t: t, g: it.NewGate(t, n, startsPolicy), tally: map[string]int{}}
	for i := range startsPods {
		s.pods = append(s.pods, it.RunPod(t, n, startsPod(i)))
	}
	s.bare = true
	alone := s.run(length / 4).Seconds()
	s.bare = false
	t.Logf("without an agent %.1f containers a second", float64(s.tally["bare"])/alone)
	delete(s.tally, "bare")
	agent := s.g.Start(t)
	before := look(t, agent.Pid())
	took := s.run(length)
	after := look(t, agent.Pid())
	s.report(n, took)
	t.Logf("the agent: %+v before, %+v after", before, after)
	if strings.Contains(agent.Log(), lost) {
		t.Errorf("the runtime closed the agent:\n%s", agent.Log())
	}
	it.Remove(t, s.pods...)
	if left := s.g.Left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// startsPod is one of twenty: two are granted the device, and one asks for what it is
// not granted.
func startsPod(i int) node.PodConfig {
	switch i {
	case 0, 10:
		return node.PodConfig{Namespace: "ci", Annotations: it.AskFor("fuse"), UserNamespace: i == 10}
	case 5:
		return node.PodConfig{Namespace: "other", Annotations: it.AskFor("fuse")}
	}
	return node.PodConfig{Namespace: "other"}
}

// starts is one run.
type starts struct {
	t    *testing.T
	g    *it.Gate
	pods []*node.Pod
	bare bool // there is no agent yet

	mu    sync.Mutex
	tally map[string]int
}

// run starts one container after the other, and returns how long that took.
func (s *starts) run(length time.Duration) time.Duration {
	began := time.Now()
	tick := time.NewTicker(startsEvery)
	defer tick.Stop()
	atOnce := make(chan struct{}, startsAtOnce)
	var wg sync.WaitGroup
	for i := 0; time.Since(began) < length; i++ {
		<-tick.C
		atOnce <- struct{}{}
		wg.Go(func() {
			defer func() { <-atOnce }()
			said := s.one(i)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.tally[said]++
		})
	}
	wg.Wait()
	return time.Since(began)
}

// one starts a container whose program opens the device and ends.
func (s *starts) one(i int) string {
	at := i % startsPods
	if at == 5 && i%100 != 5 {
		at = 6
	}
	ctx, cancel := context.WithTimeout(context.Background(), it.Limit)
	defer cancel()
	c, err := s.pods[at].RunContainer(ctx, node.ContainerConfig{Name: fmt.Sprint("c-", i), Command: []string{node.ProbePath, "open", "/dev/fuse", "rw"}})
	switch {
	case err != nil && at == 5 && strings.Contains(err.Error(), `asks for profile "fuse", which is not granted`):
		return "refused"
	case err != nil:
		s.t.Errorf("container %d: %v", i, err)
		return "failed"
	case at == 5 && !s.bare:
		s.t.Errorf("container %d runs and should be refused", i)
	}
	code, err := c.Wait(ctx)
	if err == nil {
		err = c.Remove(ctx)
	}
	if s.bare {
		if err != nil {
			s.t.Errorf("container %d: %v", i, err)
		}
		return "bare"
	}
	granted := at == 0 || at == 10
	if err != nil || (code == 0) != granted {
		s.t.Errorf("container %d, granted %t: opening the device ends with %d, %v", i, granted, code, err)
	}
	if granted {
		return "granted"
	}
	return "unmatched"
}

// report says how many were started, and how long the agent took by the runtime's clock
// and by its own.
func (s *starts) report(n *node.Node, took time.Duration) {
	all := 0
	for _, count := range s.tally {
		all += count
	}
	s.t.Logf("%d containers in %v, %.1f a second: %v", all, took.Round(time.Second), float64(all)/took.Seconds(), s.tally)
	if s.tally["granted"] == 0 || s.tally["unmatched"] == 0 || s.tally["refused"] == 0 {
		s.t.Error("not all of it happened")
	}
	const ask = `set -e; exec 3<>/dev/tcp/127.0.0.1/1338; printf 'GET /v1/metrics HTTP/1.0\r\n\r\n' >&3; cat <&3`
	text, err := n.Command("bash", "-c", ask).Output()
	it.Must(s.t, err)
	for _, operation := range []string{"CreateContainer", "StartContainer", "StopContainer", "RemoveContainer"} {
		h := readHistogram(string(text), "containerd_nri_plugin_latency_seconds", `operation="`+operation+`"`)
		s.t.Logf("%s of NRI, by the runtime: %s", operation, h)
		if h.count == 0 || h.quantile(0.99) > startsLatency {
			s.t.Errorf("%s takes %s", operation, h)
		}
	}
	s.t.Logf("decisions, by the agent: %s", readHistogram(s.g.Ask(s.t, "/metrics"), "nodegate_decision_duration_seconds", ""))
}
