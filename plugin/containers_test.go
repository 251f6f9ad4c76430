// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// outcomes collects what a plugin tells.
func outcomes(p *Plugin) *[]*event.Event {
	var all []*event.Event
	p.Observe(func(_ context.Context, o *event.Event) { all = append(all, o) })
	return &all
}

func parsed(t *testing.T, text string) *policy.Policy {
	t.Helper()
	c, err := config.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c.Policy
}

func outdatedNames(p *Plugin) string {
	_, _, outdated := p.Containers()
	var names []string
	for _, o := range outdated {
		names = append(names, o.Container+":"+strings.Join(o.Profiles, "+"))
	}
	return strings.Join(names, " ")
}

// A new policy gives more than a container has: it is named once, until it goes.
func TestOutdatedAfterReload(t *testing.T) {
	needRoot(t)
	p := newTestPlugin(t, t.TempDir())
	told := outcomes(p)
	pod, free := testPod("ping"), testPod("")
	create(t, p, pod, "c1")
	free.Namespace = "free"
	plain := testContainer("c2")
	if adjust, _, err := p.CreateContainer(t.Context(), free, plain); adjust != nil || err != nil {
		t.Fatal(adjust, err)
	}
	if got := outdatedNames(p); got != "" {
		t.Errorf("outdated at once: %s", got)
	}
	*told = nil
	more := parsed(t, testPolicy+"[[grants]]\nnamespaces = [\"free\"]\nprofiles = [\"no-mknod\"]\napply = \"always\"\n")
	for range 2 {
		p.SetPolicy(t.Context(), more)
		if got := outdatedNames(p); got != plain.Name+":no-mknod" {
			t.Errorf("outdated: %q", got)
		}
	}
	if len(*told) != 1 || (*told)[0].Result != event.Outdated || (*told)[0].Code != policy.Unadjusted || p.stats.Outdated.Load() != 1 {
		t.Fatalf("told %d times", len(*told))
	}
	if text := (*told)[0].Text; !strings.Contains(text, "runs without no-mknod as today's policy would give it: delete the pod") {
		t.Error(text)
	}
	// What the same name stands for has changed: c1 has the former ping.
	p.SetPolicy(t.Context(), parsed(t, strings.ReplaceAll(testPolicy, "[profiles.narrow]", "[profiles.ping.sysctls]\n\"net.ipv4.ping_group_range\" = \"1 1\"\n[profiles.narrow]")))
	if got := outdatedNames(p); got != "c1:ping" {
		t.Errorf("with another ping: %q", got)
	}
	p.SetPolicy(t.Context(), parsed(t, "mode = \"audit\"\n"+testPolicy))
	if got := outdatedNames(p); got != "" {
		t.Errorf("in audit mode: %q", got)
	}
	p.SetPolicy(t.Context(), more)
	if _, err := p.StopContainer(t.Context(), free, plain); err != nil {
		t.Fatal(err)
	}
	if all, adjusted, outdated := p.Containers(); all != 1 || adjusted != 1 || len(outdated) != 0 {
		t.Errorf("%d containers, %d adjusted, %d outdated, want 1, 1, 0", all, adjusted, len(outdated))
	}
	if err := p.RemovePodSandbox(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if all, _, _ := p.Containers(); all != 0 {
		t.Errorf("%d containers of a pod that is gone", all)
	}
}

// An agent that comes back learns from the runtime what each container was given.
func TestOutdatedAfterSynchronize(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	first := newTestPlugin(t, dir)
	pod := testPod("ping")
	has := create(t, first, pod, "has")
	lost := create(t, first, pod, "lost") // the reply to which did not arrive
	lost.Annotations = nil
	never := testContainer("never")
	for _, c := range []*api.Container{has, lost, never} {
		c.PodSandboxId, c.Name = pod.Id, c.Id
	}
	second := newTestPlugin(t, dir)
	told := outcomes(second)
	ctrs := []*api.Container{has, lost, never}
	for range 2 {
		second.containers.replace(listed(second.policy.Load(), []*api.PodSandbox{pod}, ctrs, mustList(t, second)))
		second.compare(t.Context())
		if got := outdatedNames(second); got != "lost:ping never:ping" {
			t.Errorf("outdated: %q", got)
		}
	}
	if len(*told) != 2 {
		t.Errorf("told %d times, want 2", len(*told))
	}
	// Neither may start, nor pass as adjusted.
	for _, c := range ctrs {
		err1 := second.StartContainer(t.Context(), pod, c)
		err2 := second.ValidateContainerAdjustment(t.Context(), &api.ValidateContainerAdjustmentRequest{Pod: pod, Container: c,
			Adjust: &api.ContainerAdjustment{Annotations: c.Annotations}})
		for _, err := range []error{err1, err2} {
			var refusal *policy.Refusal
			if refused := errors.As(err, &refusal) && refusal.Code == policy.Unadjusted; refused != (c != has) {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
	}
}

// A container that has ended is counted no more; the sysctl that it gave to its pod
// stays, and so does its record, until it is removed.
func TestEnded(t *testing.T) {
	needRoot(t)
	p := newTestPlugin(t, t.TempDir())
	pod := testPod("ping")
	ctr := create(t, p, pod, "c1")
	if _, err := p.StopContainer(t.Context(), pod, ctr); err != nil {
		t.Fatal(err)
	}
	if all, adjusted, _ := p.Containers(); all != 0 || adjusted != 0 || p.containers.has("c1") {
		t.Errorf("%d containers run, %d of them adjusted", all, adjusted)
	}
	if got := p.containers.sysctls(pod.Id); len(got) != 1 || got["net.ipv4.ping_group_range"].Container != ctr.Name {
		t.Errorf("sysctls of the pod: %v", got)
	}
	if err := p.RemovePodSandbox(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if left := mustList(t, p); len(left) != 0 || len(p.containers.sysctls(pod.Id)) != 0 {
		t.Errorf("left of the pod: %v", left)
	}
}

// What a pod asks for and would not get today is named too: an always grant
// would have come with the refusal.
func TestOutdatedRefusal(t *testing.T) {
	p := newTestPlugin(t, t.TempDir())
	pod, ctr := testPod("kvm"), testContainer("c1")
	ctr.PodSandboxId = pod.Id
	p.containers.replace(listed(p.policy.Load(), []*api.PodSandbox{pod}, []*api.Container{ctr}, nil))
	p.compare(t.Context())
	_, _, outdated := p.Containers()
	if len(outdated) != 1 || !strings.Contains(outdated[0].Text, `runs, and would be refused today: asks for profile "kvm", which is not granted`) {
		t.Errorf("%+v", outdated)
	}
}

// A profile that has nothing to change here is an answer too, and no container
// is taken for one that lacks it.
func TestNothingToChangeIsRecorded(t *testing.T) {
	needRoot(t)
	p := newTestPlugin(t, t.TempDir())
	p.SetPolicy(t.Context(), parsed(t, "version = 1\n[profiles.maybe]\ndevices = [{ path = \"/dev/nodegate-none\", access = \"rw\", optional = true }]\n"+
		"[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [\"maybe\"]\napply = \"always\"\n"))
	pod := testPod("")
	ctr := create(t, p, pod, "c1")
	if err := p.StartContainer(t.Context(), pod, ctr); err != nil {
		t.Error(err)
	}
	if got := outdatedNames(p); got != "" {
		t.Errorf("outdated: %s", got)
	}
}

// The table is small: five thousand containers of pods with much to say.
func TestLiveIsCompact(t *testing.T) {
	if size := unsafe.Sizeof(container{}); size > 128 {
		t.Errorf("%d bytes: more than 128 make an allocation of each", size)
	}
	const count = 5000
	p := newTestPlugin(t, t.TempDir())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range count {
		pod, ctr := testPod(""), testContainer(fmt.Sprintf("container-%d", i))
		pod.Namespace = "free"
		pod.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": strings.Repeat("x", 64<<10)}
		pod.Labels = map[string]string{"app": fmt.Sprint("app-", i), "pod-template-hash": "5d4b8b9f7c"}
		if _, _, err := p.CreateContainer(t.Context(), pod, ctr); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / count
	t.Logf("%d bytes a container", each)
	if each > 2048 {
		t.Errorf("%d bytes a container", each)
	}
	runtime.KeepAlive(p)
}

// What a pod's author wrote is cut before anybody is told.
func TestEventIsCut(t *testing.T) {
	p := newTestPlugin(t, t.TempDir())
	told := outcomes(p)
	pod := testPod(strings.Repeat("é,", 1500))
	pod.Name = strings.Repeat("p", 5000)
	if _, _, err := p.CreateContainer(t.Context(), pod, testContainer("c1")); err == nil {
		t.Fatal("not refused")
	}
	o := (*told)[0]
	if len(o.Pod) > event.MaxName || len(o.Text) > event.MaxText || len(o.Asked) > 300 || o.Asked == "" {
		t.Errorf("pod %d, text %d, asked %d bytes", len(o.Pod), len(o.Text), len(o.Asked))
	}
}

func mustList(t *testing.T, p *Plugin) []record.Record {
	t.Helper()
	all, err := p.node.Records.List()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A runtime is asked to let the agent validate where that is of use, and where
// the runtime knows of it: an older one refuses a plugin that asks.
func TestEvents(t *testing.T) {
	for _, tc := range []struct {
		version, nri string
		audit        bool
		want         bool
	}{{"2.1.9", "", false, false}, {"2.2.0", "", false, true}, {"2.4.2", "0.12.3", false, true}, {"2.5.0", "0.12.4", false, false}, {"2.4.2", "0.12.3", true, false}} {
		r := runtimes.Of(runtimes.Containerd, tc.version, tc.nri)
		mask := events(r, tc.audit)
		if got := mask.IsSet(api.Event_VALIDATE_CONTAINER_ADJUSTMENT); got != tc.want {
			t.Errorf("%s, audit %v: validates %v, want %v", r, tc.audit, got, tc.want)
		}
		for _, e := range []api.Event{api.Event_CREATE_CONTAINER, api.Event_START_CONTAINER, api.Event_STOP_CONTAINER, api.Event_REMOVE_CONTAINER, api.Event_REMOVE_POD_SANDBOX} {
			if !mask.IsSet(e) {
				t.Errorf("%s: not told of %v", r, e)
			}
		}
	}
}
