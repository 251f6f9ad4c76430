// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/nri/pkg/adaptation"
	"github.com/containerd/nri/pkg/api"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
)

// received is what the agent answers to a request, read as it comes from the runtime.
func received(t *testing.T, p *Plugin, v, into proto.Message) error {
	t.Helper()
	raw, err := proto.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	c := &connection{Plugin: p}
	_, err = c.receive(t.Context(), func(v any) error { return proto.Unmarshal(raw, v.(proto.Message)) }, nil,
		func(_ context.Context, unmarshal func(any) error) (any, error) { return nil, unmarshal(into) })
	return err
}

// sizedPod is a pod that takes so many bytes in a request.
func sizedPod(id string, bytes int) *api.PodSandbox {
	pod := &api.PodSandbox{Id: id, Name: "pod-" + id, Namespace: "nobody"}
	fill(pod, &pod.Uid, bytes)
	return pod
}

func sizedContainer(pod, name string, bytes int) *api.Container {
	ctr := &api.Container{Id: pod + "-" + name, PodSandboxId: pod, Name: name, Env: []string{""}}
	fill(ctr, &ctr.Env[0], bytes)
	return ctr
}

// fill makes a message as large as that by a text of it.
func fill(m proto.Message, text *string, bytes int) {
	for *text = strings.Repeat("x", bytes); proto.Size(m) > bytes; {
		*text = (*text)[1:]
	}
}

// A pod or container is large enough to keep the agent out. It is refused where it is
// created, also without a grant; one byte less is accepted.
func TestAttackLargeObjects(t *testing.T) {
	needRoot(t)
	const small = 1 << 10
	for _, tc := range []struct {
		name string
		pod  int
		ctrs []int
		want string // of the last one; "" for none
	}{
		{"largest pod", MaxPodBytes, []int{small}, ""},
		{"larger pod", MaxPodBytes + 1, []int{small}, "nodegate: pod nobody/pod-p has 65 KiB of labels and annotations, and at most 64 KiB can be told to a plugin of the runtime: give it fewer or shorter ones [too_large]"},
		{"largest container", small, []int{maxContainerBytes}, ""},
		{"larger container", small, []int{maxContainerBytes + 1}, `nodegate: container "c0" of pod nobody/pod-p has 385 KiB of environment, arguments and mounts, and at most 384 KiB can be told to a plugin of the runtime: put large values into files, such as a mounted ConfigMap, or set enableServiceLinks: false [too_large]`},
		{"largest whole", small, []int{maxContainerBytes, MaxWholeBytes - maxContainerBytes - small}, ""},
		{"larger whole", small, []int{maxContainerBytes, MaxWholeBytes - maxContainerBytes - small + 1},
			`nodegate: container "c1" of pod nobody/pod-p makes its pod as large as 513 KiB, and at most 512 KiB can be told to a plugin of the runtime: put large values into files, such as a mounted ConfigMap, or set enableServiceLinks: false [too_large]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newTestPlugin(t, t.TempDir())
			pod := sizedPod("p", tc.pod)
			if got := proto.Size(pod); got != tc.pod {
				t.Fatalf("the pod has %d bytes, want %d", got, tc.pod)
			}
			var err error
			for i, bytes := range tc.ctrs {
				if err != nil {
					t.Fatal(err)
				}
				ctr := sizedContainer("p", fmt.Sprint("c", i), bytes)
				if got := proto.Size(ctr); got != bytes {
					t.Fatalf("the container has %d bytes, want %d", got, bytes)
				}
				err = received(t, p, &api.CreateContainerRequest{Pod: pod, Container: ctr}, &api.CreateContainerRequest{})
			}
			if got := fmt.Sprint(err); tc.want == "" && err != nil || tc.want != "" && got != tc.want {
				t.Errorf("got %s, want %q", got, tc.want)
			}
			for _, req := range []proto.Message{&api.RunPodSandboxRequest{Pod: pod}, &api.StateChangeEvent{Event: api.Event_RUN_POD_SANDBOX, Pod: pod}} {
				err := received(t, p, req, req.ProtoReflect().New().Interface())
				if (err != nil) != (tc.pod > MaxPodBytes) {
					t.Errorf("%T: %v", req, err)
				}
			}
			want := uint64(0)
			if tc.want != "" {
				want++
			}
			if tc.pod > MaxPodBytes {
				want += 2
			}
			if got := p.stats.Refused.Load(); got != want {
				t.Errorf("%d refused, want %d", got, want)
			}
		})
	}
}

// A container that fails and is made again is counted once, and what is removed no more.
func TestSizesAreGivenBack(t *testing.T) {
	p := newTestPlugin(t, t.TempDir())
	c := &connection{Plugin: p}
	for i := range 20 {
		pod := sizedPod(fmt.Sprint("p", i%2), 1<<10)
		for try := range 5 {
			ctr := sizedContainer(pod.Id, "main", maxContainerBytes)
			ctr.Id = fmt.Sprint(i, "-", try)
			req := &api.CreateContainerRequest{Pod: pod, Container: ctr}
			if err := received(t, p, req, &api.CreateContainerRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		if i%2 == 0 {
			if err := c.RemovePodSandbox(t.Context(), pod); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := p.sizes.total; got != maxContainerBytes+1<<10-3 { // no text makes it 1 KiB
		t.Errorf("%d bytes are counted, want those of one pod", got)
	}
}

// Many pods that have ended make the list of containers too long for NRI. Pods that
// could do so are refused, ordinary ones are not.
func TestAttackEndedPods(t *testing.T) {
	needRoot(t)
	p := newTestPlugin(t, t.TempDir())
	var pods []*api.PodSandbox
	run := func(id string, bytes int) error {
		pod := sizedPod(id, bytes)
		err := received(t, p, &api.RunPodSandboxRequest{Pod: pod}, &api.RunPodSandboxRequest{})
		if err == nil {
			pods = append(pods, pod)
		}
		return err
	}
	for i := range 40 { // these make no room for others, since they end
		p.containers.add(fmt.Sprint("c", i), container{})
	}
	for i := 0; i < 1000 && run(fmt.Sprint("large-", i), MaxPodBytes) == nil; i++ {
		continue
	}
	if got := len(pods); got != MaxLargeBytes/MaxPodBytes {
		t.Errorf("%d large ones run", got)
	}
	err := run("one-more", OrdinaryBytes+1)
	if err == nil || !strings.Contains(err.Error(), "remove pods that have ended, or give it less than 4 KiB") {
		t.Errorf("got %v", err)
	}
	for i := range 500 {
		if err := run(fmt.Sprint("ordinary-", i), OrdinaryBytes); err != nil {
			t.Fatal(err)
		}
	}
	told(t, pods, []*api.Container{sizedContainer(pods[0].Id, "a", maxContainerBytes), sizedContainer(pods[1].Id, "b", 8<<10), sizedContainer(pods[2].Id, "c", 8<<10)})
	if err := (&connection{Plugin: p}).RemovePodSandbox(t.Context(), pods[0]); err != nil {
		t.Fatal(err)
	}
	if err := run("again", MaxPodBytes); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}

// Many pods are each as large as is accepted. A plugin can be told of all, around the
// eight objects below which NRI splits no further.
func TestAttackSplit(t *testing.T) {
	for _, count := range []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			pods, ctrs := largest(count, MaxWholeBytes)
			told(t, pods, ctrs)
		})
	}
}

// told fails unless a plugin that registers is told of these.
func told(t *testing.T, pods []*api.PodSandbox, ctrs []*api.Container) {
	t.Helper()
	usual := adaptation.DefaultPluginRequestTimeout
	adaptation.SetPluginRequestTimeout(20 * time.Second)
	t.Cleanup(func() { adaptation.SetPluginRequestTimeout(usual) })
	socket, synced := runtimeAmong(t, pods, ctrs)
	defer startIdle(t, socket).Stop()
	if err := <-synced; err != nil {
		t.Errorf("%d pods and %d containers cannot be told: %v", len(pods), len(ctrs), err)
	}
}

// A pod or container is made large by labels, environment, arguments, mounts or anything
// else. All of it counts.
func TestAttackEveryKindOfLarge(t *testing.T) {
	needRoot(t)
	long := strings.Repeat("x", MaxPodBytes)
	many := func(count, each int) map[string]string {
		out := map[string]string{}
		for i := range count {
			out[fmt.Sprint(i)] = strings.Repeat("x", each)
		}
		return out
	}
	words := func(count, each int) []string { return slices.Repeat([]string{strings.Repeat("x", each)}, count) }
	for name, enlarge := range map[string]func(pod *api.PodSandbox, ctr *api.Container){
		"one long label":             func(p *api.PodSandbox, _ *api.Container) { p.Labels = map[string]string{"a": long} },
		"one long annotation":        func(p *api.PodSandbox, _ *api.Container) { p.Annotations = map[string]string{"a": long} },
		"a long key":                 func(p *api.PodSandbox, _ *api.Container) { p.Annotations = map[string]string{long: ""} },
		"many labels of no length":   func(p *api.PodSandbox, _ *api.Container) { p.Labels = many(1000, 0) },
		"many annotations of none":   func(p *api.PodSandbox, _ *api.Container) { p.Annotations = many(1000, 0) },
		"half of both":               func(p *api.PodSandbox, _ *api.Container) { p.Labels, p.Annotations = many(500, 10), many(500, 10) },
		"a long name":                func(p *api.PodSandbox, _ *api.Container) { p.Name = long },
		"a long namespace":           func(p *api.PodSandbox, _ *api.Container) { p.Namespace = long },
		"a long cgroup":              func(p *api.PodSandbox, _ *api.Container) { p.Linux = &api.LinuxPodSandbox{CgroupParent: long} },
		"many short variables":       func(_ *api.PodSandbox, c *api.Container) { c.Env = words(200_000, 1) },
		"one long argument":          func(_ *api.PodSandbox, c *api.Container) { c.Args = words(1, maxContainerBytes) },
		"many mounts":                func(_ *api.PodSandbox, c *api.Container) { c.Mounts = mountsAt(5000) },
		"a container's own labels":   func(_ *api.PodSandbox, c *api.Container) { c.Labels = many(4000, 30) },
		"a container's annotations":  func(_ *api.PodSandbox, c *api.Container) { c.Annotations = many(4000, 30) },
		"a long name of a container": func(_ *api.PodSandbox, c *api.Container) { c.Name = strings.Repeat("x", maxContainerBytes) },
		"a seccomp profile": func(_ *api.PodSandbox, c *api.Container) {
			c.Linux = &api.LinuxContainer{SeccompPolicy: longProfile(2000)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod, ctr := sizedPod("p", 1<<10), sizedContainer("p", "c", 1<<10)
			p := newTestPlugin(t, t.TempDir())
			request := func() error {
				return received(t, p, &api.CreateContainerRequest{Pod: pod, Container: ctr}, &api.CreateContainerRequest{})
			}
			if err := request(); err != nil {
				t.Fatal(err)
			}
			enlarge(pod, ctr)
			if err := request(); err == nil || !strings.Contains(err.Error(), "can be told to a plugin of the runtime") {
				t.Errorf("a pod of %d bytes, a container of %d: got %v", proto.Size(pod), proto.Size(ctr), err)
			}
		})
	}
}

func mountsAt(count int) (out []*api.Mount) {
	for i := range count {
		out = append(out, &api.Mount{Destination: fmt.Sprint("/volumes/", i), Source: fmt.Sprint("/var/lib/kubelet/pods/volumes/", i), Type: "bind", Options: []string{"rbind", "rprivate", "rw"}})
	}
	return out
}

func longProfile(rules int) *api.LinuxSeccomp {
	s := &api.LinuxSeccomp{DefaultAction: "SCMP_ACT_ERRNO"}
	for i := range rules {
		s.Syscalls = append(s.Syscalls, &api.LinuxSyscall{Names: []string{strings.Repeat("x", 200), fmt.Sprint(i)}, Action: "SCMP_ACT_ALLOW"})
	}
	return s
}

// In audit mode it is only told.
func TestLargeObjectsInAuditMode(t *testing.T) {
	p := newTestPlugin(t, t.TempDir())
	p.SetPolicy(t.Context(), parsed(t, "mode = \"audit\"\n"+testPolicy))
	told := outcomes(p)
	var got api.CreateContainerRequest
	err := received(t, p, &api.CreateContainerRequest{Pod: sizedPod("p", 2<<20), Container: sizedContainer("p", "c", 1<<10)}, &got)
	if err != nil || len(got.Pod.Uid) < 1<<20 {
		t.Errorf("got %v, %d bytes", err, len(got.Pod.Uid))
	}
	if len(*told) != 1 || !(*told)[0].Audit || (*told)[0].Code != "too_large" {
		t.Errorf("told %v", *told)
	}
}

// A node has as many pods of the largest accepted size as it can. An agent registers
// among them, and keeps next to nothing of them.
//
// To see what time other numbers take:
//
//	NODEGATE_PODS=2000 go test ./plugin -run TestAttackRegisterAmongLargest -v
func TestAttackRegisterAmongLargest(t *testing.T) {
	needRoot(t)
	// The machine may be busy with other tests, which is no news: the runtime waits, and
	// what both sides compute is measured.
	usual := adaptation.DefaultPluginRequestTimeout
	adaptation.SetPluginRequestTimeout(time.Minute)
	t.Cleanup(func() { adaptation.SetPluginRequestTimeout(usual) })
	for _, tc := range []struct{ pods, whole int }{
		{110, MaxWholeBytes}, // as many as Kubernetes lets a node have
		{2000, ShareBytes},   // and as a node has never
	} {
		if n, err := strconv.Atoi(os.Getenv("NODEGATE_PODS")); err == nil {
			tc.pods = n
		}
		t.Run(fmt.Sprint(tc.pods, " pods of ", kib(tc.whole)), func(t *testing.T) {
			pods, ctrs := largest(tc.pods, tc.whole)
			p := newTestPlugin(t, t.TempDir())
			before := heap()
			socket, synced := runtimeAmong(t, pods, ctrs)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			began, used := time.Now(), processorTime(t)
			go func() { ended <- p.Run(ctx, Endpoint{Socket: socket, Index: "10"}) }()
			if err := <-synced; err != nil {
				t.Fatal(err)
			}
			took := time.Since(began).Round(time.Millisecond)
			used = (processorTime(t) - used).Round(time.Millisecond)
			<-p.Ready()
			if all, _, _ := p.Containers(); all != len(ctrs) {
				t.Errorf("%d containers are known, want %d", all, len(ctrs))
			}
			each := (heap() - before) / len(ctrs)
			t.Logf("%d containers, %d MiB: registered after %v, with %v of processor time on both sides; %d bytes of each are kept", len(ctrs), p.sizes.total>>20, took, used, each)
			if used > 2*time.Second && !raceEnabled || each > 2<<10 {
				t.Errorf("%v of processor time, %d bytes of each are kept", used, each)
			}
			runtime.KeepAlive(ctrs)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// largest are pods of that size each, with all that is large in them: labels and the
// environments of containers. What the runtime holds of them is one text.
func largest(count, whole int) (pods []*api.PodSandbox, ctrs []*api.Container) {
	labels := map[string]string{}
	for i := range min(MaxPodBytes, max(MaxLargeBytes/count, OrdinaryBytes)) / (76 + entryBytes) {
		labels[fmt.Sprintf("label-%05d", i)] = strings.Repeat("x", 57)
	}
	env := strings.Repeat("x", whole)
	for i := range count {
		pod := &api.PodSandbox{Id: fmt.Sprint("p", i), Name: "pod", Namespace: "nobody", Labels: labels}
		pods = append(pods, pod)
		for c, left := 0, whole-proto.Size(pod)-len(labels)*entryBytes; left > 1<<10; c++ {
			ctr := &api.Container{Id: fmt.Sprint("c", i, "-", c), Name: fmt.Sprint("c", c), PodSandboxId: pod.Id}
			ctr.Env = []string{env[:min(left, maxContainerBytes)-100]}
			left -= proto.Size(ctr)
			ctrs = append(ctrs, ctr)
		}
	}
	return pods, ctrs
}

// processorTime is what this process has used.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
