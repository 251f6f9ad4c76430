// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/nri/pkg/adaptation"
	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

const (
	startsRate   = 40          // pods a second: twice as many as a node has to start
	startsLive   = 80          // pods at a time
	startsAtOnce = 32          // that are on their way
	startsMost   = time.Second // for 99 of 100 requests; a runtime waits for 2 s
)

// TestSoakNRI has the agent see pods come and go faster than this machine's containerd can
// start them: the requests are those of a pod's whole life, by the very code that
// containerd has for them. One pod in ten is granted a device, in turns with and without a
// user namespace, and one in a hundred asks for what it is not granted. That one is
// refused, no other, and nothing is left over. NODEGATE_SOAK_STARTS is how long, three
// seconds if it is not set.
func TestSoakNRI(t *testing.T) {
	node.Require(t, node.Options{})
	it.NeedDevices(t, "/dev/fuse")
	length := 3 * time.Second
	if d, err := time.ParseDuration(os.Getenv("NODEGATE_SOAK_STARTS")); err == nil {
		length = d
	}
	long := length >= time.Minute
	if !long { // a busy machine is no fault of the agent's
		adaptation.SetPluginRequestTimeout(15 * time.Second)
		t.Cleanup(func() { adaptation.SetPluginRequestTimeout(adaptation.DefaultPluginRequestTimeout) })
	}
	a := newAgentDirs(t)
	s := &nriStarts{nriRuntime: startRuntime(t, a.command), t: t, sandbox: startSandbox(t), took: map[string][]time.Duration{}, tally: map[string]int{}}
	before := s.rss(t)
	rate := s.run(length)
	t.Logf("%.1f pods a second for %v: %v", rate, length, s.tally)
	if s.tally["granted"] == 0 || s.tally["refused"] == 0 || s.tally["unmatched"] == 0 {
		t.Error("not all of it happened")
	}
	if long && rate < startsRate/2 {
		t.Errorf("%.1f pods a second", rate)
	}
	for _, operation := range []string{"RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer", "RemovePodSandbox"} {
		all := s.took[operation]
		slices.Sort(all)
		at := func(q float64) time.Duration { return all[min(int(q*float64(len(all))), len(all)-1)] }
		t.Logf("%s: %d requests, half within %v, 99%% within %v, all within %v", operation, len(all), at(0.5), at(0.99), at(1))
		if long && at(0.99) > startsMost {
			t.Errorf("99%% of %s take up to %v", operation, at(0.99))
		}
	}
	t.Logf("the agent holds %d KiB, %d before", s.rss(t), before)
	if left := a.left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// agentDirs are where an agent keeps what it knows of containers.
type agentDirs struct{ state, shadows string }

func newAgentDirs(t *testing.T) agentDirs {
	t.Helper()
	state, err := os.MkdirTemp("/dev/shm", "nodegate-starts-") // a tmpfs, as a node's /run
	it.Must(t, err)
	a := agentDirs{state, fmt.Sprintf("/dev/.udev/nodegate-starts-%d", os.Getpid())}
	t.Cleanup(func() { it.Must(t, os.RemoveAll(a.state), os.RemoveAll(a.shadows)) })
	return a
}

func (a agentDirs) command(t testing.TB, socket string) *exec.Cmd {
	path := filepath.Join(t.TempDir(), "config.toml")
	text := fmt.Sprintf(roundTripPolicy, socket, a.state, a.shadows, "unix://"+a.state+"/nodegate.sock")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	bin, err := node.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(filepath.Join(bin, "nodegate"), "run", "--config", path)
}

// left are records and shadow nodes.
func (a agentDirs) left() (left []string) {
	for _, dir := range []string{a.state + "/decisions", a.shadows} {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && path != dir {
				left = append(left, path)
			}
			return nil
		})
	}
	return left
}

// nriStarts is one run.
type nriStarts struct {
	*nriRuntime
	t       *testing.T
	sandbox int // a process in a user namespace

	mu    sync.Mutex
	took  map[string][]time.Duration // by request
	tally map[string]int
}

// run starts pods at the rate, and ends the oldest ones. It returns how many a second it
// has started.
func (s *nriStarts) run(length time.Duration) float64 {
	atOnce, live := make(chan struct{}, startsAtOnce), make(chan func(), startsLive)
	tick := time.NewTicker(time.Second / startsRate)
	defer tick.Stop()
	var wg sync.WaitGroup
	began, count := time.Now(), 0
	for ; time.Since(began) < length; count++ {
		<-tick.C
		atOnce <- struct{}{}
		wg.Go(func() {
			defer func() { <-atOnce }()
			end := s.start(count)
			for {
				select {
				case live <- end:
					return
				case oldest := <-live:
					oldest()
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	for close(live); ; {
		end, more := <-live
		if !more {
			return float64(count) / took.Seconds()
		}
		end()
	}
}

// start starts a pod with one container, and returns what ends it.
func (s *nriStarts) start(i int) (end func()) {
	namespace, request, said := "default", "", "unmatched"
	switch {
	case i%10 == 0:
		namespace, request, said = "ci", "fuse", "granted"
	case i%100 == 5:
		request, said = "fuse", "refused"
	}
	pod, ctr := roundTripPod(fmt.Sprintf("c%08d", i), namespace, request, i%20 == 0, s.sandbox)
	s.call("RunPodSandbox", func(ctx context.Context) error { return s.RunPodSandbox(ctx, &api.RunPodSandboxRequest{Pod: pod}) })
	var created *api.CreateContainerResponse
	err := s.try("CreateContainer", func(ctx context.Context) (err error) {
		created, err = s.CreateContainer(ctx, &api.CreateContainerRequest{Pod: pod, Container: ctr})
		return err
	})
	devices := len(created.GetAdjust().GetLinux().GetDevices()) + len(created.GetAdjust().GetMounts())
	switch {
	case said == "refused" && (err == nil || !strings.Contains(err.Error(), `asks for profile "fuse", which is not granted`)):
		s.t.Errorf("pod %d is not refused: %v", i, err)
	case said != "refused" && err != nil:
		s.t.Errorf("pod %d is refused: %v", i, err)
	case said == "granted" != (devices > 0):
		s.t.Errorf("pod %d, %s, gets %v", i, said, created.GetAdjust())
	}
	if err == nil {
		ctr.Annotations = created.GetAdjust().GetAnnotations() // as containerd has them from now on
		s.call("StartContainer", func(ctx context.Context) error {
			return s.StartContainer(ctx, &api.StartContainerRequest{Pod: pod, Container: ctr})
		})
	}
	s.mu.Lock()
	s.tally[said]++
	s.mu.Unlock()
	return func() { s.end(pod, ctr) }
}

func (s *nriStarts) end(pod *api.PodSandbox, ctr *api.Container) {
	s.call("StopContainer", func(ctx context.Context) error {
		_, err := s.StopContainer(ctx, &api.StopContainerRequest{Pod: pod, Container: ctr})
		return err
	})
	s.call("RemoveContainer", func(ctx context.Context) error {
		return s.RemoveContainer(ctx, &api.RemoveContainerRequest{Pod: pod, Container: ctr})
	})
	s.call("RemovePodSandbox", func(ctx context.Context) error {
		return errors.Join(s.StopPodSandbox(ctx, &api.StopPodSandboxRequest{Pod: pod}), s.RemovePodSandbox(ctx, &api.RemovePodSandboxRequest{Pod: pod}))
	})
}

// call makes a request that is not refused.
func (s *nriStarts) call(operation string, do func(context.Context) error) {
	if err := s.try(operation, do); err != nil {
		s.t.Errorf("%s: %v", operation, err)
	}
}

func (s *nriStarts) try(operation string, do func(context.Context) error) error {
	began := time.Now()
	err := do(context.Background())
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took[operation] = append(s.took[operation], took)
	return err
}
