// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/node"
)

const (
	chaosPods   = 200 // half through the wrapper, half with the annotation
	chaosFree   = 40  // beside them, with neither
	chaosAtOnce = 6
	chaosTries  = 6 // the kubelet would go on
	chaosEvery  = 12
)

// chaosPolicy gives each pod of namespace "chaos" something by NRI and by the wrapper, and
// takes something from it.
const chaosPolicy = `
[profiles.clock.capabilities]
add = ["SYS_TIME"]
[[grants]]
namespaces = ["chaos"]
profiles = ["fuse"]
[[grants]]
namespaces = ["chaos"]
profiles = ["clock"]
[[grants]]
namespaces = ["chaos"]
profiles = ["no-mknod"]
apply = "always"
`

// chaosKinds are the ways in which a pod is kept from running without its adjustment.
var chaosKinds = []string{"wrapper", "annotation", "neither"}

// chaos is one round of pods: what became of each try to start a container.
type chaos struct {
	t      *testing.T
	n      *node.Node
	g      *it.Gate
	agents []*node.Process // that are there, the latest last
	offset int             // of the round's pods

	pods atomic.Int32 // that are done

	mu    sync.Mutex
	tally map[string]map[string]int // kind → what
	bad   []string
}

// Whatever becomes of the agent and of the runtime while pods start: a container that the
// policy concerns has its adjustment, or was refused with a reason. That holds for those
// behind the wrapper, and for those with the annotation under the default validator. Of
// those with neither, the agent names each one that has slipped through when it is back.
//
// NODEGATE_CHAOS is a number of pods, in rounds; one round where it is not set.
func TestChaos(t *testing.T) {
	it.NeedFuse(t)
	n, w := it.WrappedNode(t, node.Options{ExtraConfig: it.ShortTimeout + validating()})
	g, agent := it.StartAgent(t, n, chaosPolicy)
	w.Exempt(t, g.State)
	began, total := time.Now(), map[string]int{}
	for pods := 0; pods < max(1, chaosAsked()); pods += chaosPods + chaosFree {
		c := &chaos{t: t, n: n, g: g, agents: []*node.Process{agent}, offset: pods, tally: map[string]map[string]int{}}
		agent = c.round()
		for kind, tally := range c.tally {
			for what, n := range tally {
				total[kind+" "+what] += n
			}
		}
		t.Logf("%d pods in %v: %v", pods+chaosPods+chaosFree, time.Since(began).Round(time.Second), total)
		if t.Failed() {
			return
		}
	}
}

func chaosAsked() int {
	n, _ := strconv.Atoi(os.Getenv("NODEGATE_CHAOS"))
	return n
}

// round starts pods while things happen, looks at what became of them, and removes them. It
// returns the agent that it leaves.
func (c *chaos) round() (last *node.Process) {
	first := c.latest()
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		c.happen(over)
	}()
	var wg sync.WaitGroup
	slots := make(chan struct{}, chaosAtOnce)
	for i := range chaosPods + chaosFree {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			c.start(c.offset + i)
		})
	}
	wg.Wait()
	close(over)
	<-done

	c.end(first) // each that is left
	last = c.g.Start(c.t)
	c.check(last)
	c.removeAll()
	if left := c.g.Left(); len(left) > 0 {
		c.t.Errorf("left behind: %q", left)
	}
	return last
}

// chaosPod alternates kinds; every fourth pod has a user namespace, and so shadow nodes.
func chaosPod(i, try int) (kind string, pod node.PodConfig) {
	kind = chaosKinds[(i-(i+1)/6)%2] // those with neither do not count
	if i%6 == 5 {
		kind = "neither"
	}
	pod = node.PodConfig{Name: fmt.Sprintf("%s-%d-%d", kind, i, try), UID: fmt.Sprintf("chaos-%d-%d", i, try), Namespace: "chaos",
		UserNamespace: i%4 < 2 && i%8 < 4, Annotations: it.AskFor("fuse")}
	pod.HostNetwork = !pod.UserNamespace // without CNI's work
	switch kind {
	case "wrapper":
		pod.Handler, pod.Annotations = it.Wrapped, it.AskFor("fuse, clock")
	case "annotation":
		maps.Copy(pod.Annotations, requiresAgent())
	}
	return kind, pod
}

// start starts a pod as the kubelet does, which tries again.
func (c *chaos) start(i int) {
	defer c.pods.Add(1)
	var p *node.Pod
	for try, gone := 0, 0; try < chaosTries && gone < 100; {
		kind, config := chaosPod(i, try+gone)
		var err error
		if p == nil {
			if p, err = c.n.RunPod(c.t.Context(), config); err != nil {
				p = nil
			}
		}
		if err == nil {
			_, err = p.RunContainer(c.t.Context(), node.ContainerConfig{Name: fmt.Sprintf("try-%d", try+gone), Seccomp: node.SeccompRuntimeDefault})
		}
		switch c.count(kind, err) {
		case "started":
			return
		case noRuntime: // the kubelet waits for it
			gone++
		default:
			try++
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// count sorts what became of a try. Only what has a reason may fail.
func (c *chaos) count(kind string, err error) string {
	what := "unexpected"
	switch text := fmt.Sprint(err); {
	case err == nil:
		what = "started"
	case strings.Contains(text, "no nodegate agent answered in time"):
		what = "refused at its start"
	case strings.Contains(text, it.Unanswered):
		what = "refused, unanswered"
	case strings.Contains(text, notPresent):
		what = "refused, no agent"
	case strings.Contains(text, "nodegate: "):
		what = "refused by nodegate"
	case isGone(text):
		what = noRuntime
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tally[kind] == nil {
		c.tally[kind] = map[string]int{}
	}
	c.tally[kind][what]++
	if what == "unexpected" {
		c.bad = append(c.bad, fmt.Sprintf("%s: %v", kind, err))
	}
	return what
}

// noRuntime is a try that containerd's restart has ended.
const noRuntime = "no runtime"

// isGone knows what a client says whose containerd is being restarted, and what
// containerd says of work that it was interrupted in.
func isGone(text string) bool {
	return slices.ContainsFunc([]string{"navailable", "connection error", "error reading from server", "connection refused", "server is shutting down", "context canceled",
		"transport is closing", "ttrpc: closed", "no such file or directory: unknown", "not found", "not in created state", "shim"},
		func(part string) bool { return strings.Contains(text, part) })
}

// happen lets things happen to the agents and the runtime until all pods are done.
func (c *chaos) happen(over <-chan struct{}) {
	for i := 0; ; i++ {
		for int(c.pods.Load()) < (i+1)*chaosEvery {
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
		what := chaosEvents[i%len(chaosEvents)]
		if err := what.happens(c); err != nil {
			c.t.Errorf("%s: %v", what.name, err)
			return
		}
	}
}

// chaosEvents are what happens, in turns.
var chaosEvents = []struct {
	name    string
	happens func(c *chaos) error
}{
	{"killed, and started again", func(c *chaos) error {
		return errors.Join(c.latest().Kill(), pause(300), c.launch())
	}},
	{"stopped for longer than the runtime waits", func(c *chaos) error {
		return errors.Join(c.latest().Signal(syscall.SIGSTOP), pause(1200), c.latest().Signal(syscall.SIGCONT), pause(300))
	}},
	{"reloaded", func(c *chaos) error {
		c.g.Write(c.t, chaosPolicy+fmt.Sprintf("[[grants]]\nnamespaces = [\"elsewhere-%d\"]\nprofiles = [\"tun\"]\n", c.pods.Load()))
		return pause(300)
	}},
	{"replaced by a second one", func(c *chaos) error {
		old := c.latest()
		return errors.Join(c.launch(), pause(500), old.Signal(syscall.SIGTERM))
	}},
	{"killed, and away for seconds", func(c *chaos) error {
		return errors.Join(c.latest().Kill(), pause(3000), c.launch())
	}},
	{"containerd restarted", func(c *chaos) error {
		return errors.Join(c.n.RestartContainerd(c.t.Context()), pause(500))
	}},
	{"stopped beside a second one, and killed", func(c *chaos) error {
		old := c.latest()
		return errors.Join(c.launch(), pause(300), old.Signal(syscall.SIGSTOP), pause(800), old.Kill())
	}},
	{"a policy with errors", func(c *chaos) error {
		c.g.Write(c.t, "[[grants]]\nprofiles = [\"none\"]\n")
		err := pause(400)
		c.g.Write(c.t, chaosPolicy)
		return err
	}},
	{"ended, and started again", func(c *chaos) error {
		return errors.Join(c.latest().Signal(syscall.SIGTERM), pause(200), c.launch())
	}},
}

func pause(ms int) error {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return nil
}

func (c *chaos) latest() *node.Process { return c.agents[len(c.agents)-1] }

// launch starts a further agent.
func (c *chaos) launch() error {
	agent, err := c.n.StartAgent(context.WithoutCancel(c.t.Context()), c.g.Binary, c.g.Config)
	if err == nil {
		c.agents = append(c.agents, agent)
	}
	return err
}

// end ends all agents but the first, which the test's end knows.
func (c *chaos) end(first *node.Process) {
	for _, agent := range c.agents {
		_ = agent.Signal(syscall.SIGCONT)
		_ = agent.Kill() // most have ended
	}
	_ = first.Kill()
}

// check looks at every container that runs, whoever started it.
func (c *chaos) check(last *node.Process) {
	t := c.t
	r, err := c.n.CRI().ListContainers(t.Context(), &runtimeapi.ListContainersRequest{
		Filter: &runtimeapi.ContainerFilter{State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_RUNNING}}})
	it.Must(t, err)
	running, lacking := map[string]int{}, map[string][]string{}
	for _, ctr := range r.GetContainers() {
		spec, err := c.n.ContainerSpec(ctr.GetId())
		it.Must(t, err)
		kind, _, _ := strings.Cut(spec.Annotations["io.kubernetes.cri.sandbox-name"], "-")
		if running[kind]++; running[kind]%10 == 1 && chaosAdjusted(spec, kind) {
			c.expectInside(ctr.GetId())
		}
		if !chaosAdjusted(spec, kind) {
			lacking[kind] = append(lacking[kind], ctr.GetId())
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kind := range chaosKinds {
		t.Logf("%-10s %3d run, of which %d without their adjustment; tries: %v", kind, running[kind], len(lacking[kind]), c.tally[kind])
		if kind != "neither" && len(lacking[kind]) > 0 {
			t.Errorf("%s: %d containers run without their adjustment, such as %s", kind, len(lacking[kind]), lacking[kind][0])
		}
		if running[kind] < 20 {
			t.Errorf("%s: only %d containers run: this shows little", kind, running[kind])
		}
	}
	if len(c.bad) > 0 {
		slices.Sort(c.bad)
		t.Errorf("%d containers failed without a reason:\n%s", len(c.bad), strings.Join(slices.Compact(c.bad), "\n"))
	}

	// The agent names those, and no others.
	want := slices.Sorted(slices.Values(slices.Concat(lacking["wrapper"], lacking["annotation"], lacking["neither"])))
	var got []string
	for range 50 {
		s, _, _ := c.g.Status(t, "-o", "json")
		got = nil
		for _, o := range s.Outdated {
			got = append(got, o.ContainerID)
		}
		if slices.Sort(got); slices.Equal(got, want) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the agent names %d containers, and %d lack their adjustment", len(got), len(want))
	}
	log := last.Log()
	for _, id := range want {
		if strings.Count(log, "id="+id) != 1 {
			t.Fatalf("the agent's log names %s %d times, want once", id, strings.Count(log, "id="+id))
		}
	}
	t.Logf("the agent names the %d that slipped through, one by one", len(got))
}

// chaosAdjusted looks for all that the policy gives and takes in the spec that the OCI
// runtime got.
func chaosAdjusted(spec *specs.Spec, kind string) bool {
	fuse := slices.ContainsFunc(spec.Linux.Devices, func(d specs.LinuxDevice) bool { return d.Path == "/dev/fuse" }) ||
		slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool { return m.Destination == "/dev/fuse" })
	// The runtime's own profile lets it run whatever its arguments are.
	denied := spec.Linux.Seccomp != nil && !slices.ContainsFunc(spec.Linux.Seccomp.Syscalls, func(s specs.LinuxSyscall) bool {
		return s.Action == specs.ActAllow && len(s.Args) == 0 && slices.Contains(s.Names, "mknodat")
	})
	clock := kind != "wrapper" || slices.Contains(spec.Process.Capabilities.Bounding, "CAP_SYS_TIME")
	return fuse && denied && clock
}

// expectInside asks in the container itself, which has what its spec says.
func (c *chaos) expectInside(id string) {
	r, err := c.n.CRI().ExecSync(c.t.Context(), &runtimeapi.ExecSyncRequest{ContainerId: id, Cmd: []string{node.ProbePath, "each", "open /dev/fuse rw", "mknod b /dev/shm/disk 7 0"}})
	if err != nil || strings.TrimSpace(string(r.GetStdout())) != `["ok","EPERM"]` {
		c.t.Errorf("container %s answers %s, %v", id, r.GetStdout(), err)
	}
}

// removeAll removes every pod, those included of whose start no answer arrived.
func (c *chaos) removeAll() {
	t := c.t
	r, err := c.n.CRI().ListPodSandbox(t.Context(), &runtimeapi.ListPodSandboxRequest{})
	it.Must(t, err)
	var wg sync.WaitGroup
	slots := make(chan struct{}, chaosAtOnce)
	for _, p := range r.GetItems() {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := node.RemoveSandbox(t.Context(), c.n.CRI(), p.GetId()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
