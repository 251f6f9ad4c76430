// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/cluster"
	"github.com/nodegate/nodegate/integration/node"
)

const resourcesPolicy = `version = 1
[log]
level = "debug"
[profiles.kvm.resource]
slots = 2
[profiles.mknod.resource]
slots = 1
[[profiles.unit.devices]]
path = "/dev/unit?"
container_path = "/dev/unit"
access = "rw"
[profiles.unit.resource]
exclusive = true
[[grants]]
profiles = ["kvm", "unit"]
namespaces = ["ci"]
`

// resources is a node whose agent is a daemon beside the kubelet.
type resources struct{ *kube }

// Profiles as resources, on a real kubelet and scheduler.
func TestResources(t *testing.T) {
	cluster.Require(t)
	needDevices(t)
	c, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := resources{&kube{T: t, Cluster: c, own: true}}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := r.WriteFile("/etc/nodegate/config.toml", resourcesPolicy); err != nil {
		t.Fatal(err)
	}
	// The same devices as /dev/null and /dev/zero, under names of their own: one is what no
	// unit's id can be.
	r.onNode("sh", "-c", "mknod -m 0666 /dev/unit0 c 1 3; mknod -m 0666 /dev/unit, c 1 5")
	for _, namespace := range []string{"ci", "other"} {
		r.namespace(namespace)
	}
	agent := r.agent("one")
	r.offered("kvm", 2)
	r.offered("unit", 2)
	for _, step := range []struct {
		name string
		run  func(resources)
	}{
		{"slots", slots}, {"ten resources", tenResources}, {"exclusive", exclusive}, {"refused", refusedClaims}, {"quota", quota}, {"health", health},
		{"stopped agent", func(r resources) { stoppedAgent(r, agent) }},
		{"killed agent", func(r resources) { killedAgent(r, agent) }},
		{"two agents", twoAgents}, {"restarted kubelet", restartedKubelet},
	} {
		t.Run(step.name, func(t *testing.T) {
			r := resources{&kube{T: t, Cluster: c, own: true}}
			step.run(r)
			r.do("delete", "pods", "--all", "-n", "ci", "--wait=true", "--timeout=60s")
			r.do("delete", "pods", "--all", "-n", "other", "--wait=true", "--timeout=60s")
		})
	}
}

func (r resources) onNode(program string, args ...string) string {
	r.Helper()
	out, err := r.Command(program, args...).CombinedOutput()
	if err != nil {
		r.Fatalf("%s %q: %v: %s", program, args, err, out)
	}
	return string(out)
}

// status is what the agent says of itself. One that is just starting, or not registered,
// says that and is no reason to end the test.
func (r resources) status(args ...string) string {
	r.Helper()
	out, err := r.Command(r.nodegate(), append([]string{"status"}, args...)...).CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		r.Fatal(err)
	}
	return string(out)
}

func (r resources) nodegate() string {
	r.Helper()
	bin, err := node.BinDir()
	if err != nil {
		r.Fatal(err)
	}
	return filepath.Join(bin, "nodegate")
}

func (r resources) agent(name string) *node.Process {
	r.Helper()
	p, err := r.Daemon("agent-"+name, r.nodegate(), "run")
	if err != nil {
		r.Fatal(err)
	}
	return p
}

func (r resources) signal(p *node.Process, s syscall.Signal) {
	r.Helper()
	if err := r.Signal(p, s); err != nil {
		r.Fatal(err)
	}
	if s == syscall.SIGTERM || s == syscall.SIGKILL {
		<-p.Done()
	}
}

// offered waits for the node to have so many units to give.
func (r resources) offered(profile string, want int) {
	r.Helper()
	r.eventually(fmt.Sprintf("%d units of %s", want, profile), func() error {
		have := r.get("get", "node", cluster.NodeName, "-o", `jsonpath={.status.allocatable.nodegate\.dev/`+profile+`}`)
		if have != fmt.Sprint(want) && (want != 0 || have != "") {
			return fmt.Errorf("there are %q; %s", have, r.status())
		}
		return nil
	})
}

// with is a pod that asks for a profile by its limits, and by nothing else.
func with(namespace, name, profile, spec string) string {
	return manifest(namespace, name, "", spec) + "    resources: {limits: {nodegate.dev/" + profile + ": 1}}\n"
}

// unschedulable waits for the scheduler to say that a resource is used up.
func (r resources) unschedulable(name, profile string) {
	r.Helper()
	r.eventually(name+" to be pending", func() error {
		text := r.events("ci", "involvedObject.name="+name)
		if !strings.Contains(text, "Insufficient nodegate.dev/"+profile) {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
}

// A pod gets what its limits ask for, as by an annotation; a third one waits.
func slots(r resources) {
	r.apply(with("ci", "plain", "kvm", ""))
	r.apply(with("ci", "userns", "kvm", "hostUsers: false"))
	for _, pod := range []string{"plain", "userns"} {
		r.ready("ci", pod)
		if got := r.probe("ci", pod, "open /dev/kvm rw"); got != "ok" {
			r.Errorf("%s: open /dev/kvm: %s", pod, got)
		}
		if got := r.probe("ci", pod, "open /dev/unit rw"); got != "ENOENT" {
			r.Errorf("%s: open /dev/unit: %s", pod, got)
		}
	}
	r.apply(with("ci", "third", "kvm", ""))
	r.unschedulable("third", "kvm")
	r.do("-n", "ci", "delete", "pod", "plain", "--wait=true")
	r.ready("ci", "third")
}

// maxResourceMemory is what ten resources may cost the agent, in KiB of its own memory.
const maxResourceMemory = 4 << 10

// Ten resources cost little memory, and looking at the node twice a second little time.
func tenResources(r resources) {
	before := r.usage()
	more := resourcesPolicy
	for i := range 10 {
		more += fmt.Sprintf("[profiles.r%d]\ninclude = [\"kvm\"]\n[profiles.r%d.resource]\nslots = 110\n", i, i)
	}
	write := func(policy string) {
		if err := r.WriteFile("/etc/nodegate/config.toml", policy); err != nil {
			r.Fatal(err)
		}
	}
	write(more)
	r.offered("r9", 110)
	began := r.usage()
	time.Sleep(10 * time.Second)
	after := r.usage()
	r.Logf("memory with 3 resources %d KiB, %d of them anonymous, with 13 %d KiB, %d anonymous; %d ms of CPU in 10 s",
		before.resident, before.memory, after.resident, after.memory, (after.ticks-began.ticks)*10)
	if after.memory-before.memory > maxResourceMemory {
		r.Errorf("ten resources cost %d KiB", after.memory-before.memory)
	}
	write(resourcesPolicy)
	r.offered("r9", 0)
}

// usage is the agent's anonymous and its whole memory in KiB, and its time in ticks of 10 ms.
func (r resources) usage() (u struct{ memory, resident, ticks int }) {
	r.Helper()
	var status struct{ PID int }
	if err := json.Unmarshal([]byte(r.status("-o", "json")), &status); err != nil {
		r.Fatal(err)
	}
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			r.Fatal(err)
		}
		return n
	}
	kib := func(what string) int {
		return number(strings.Fields(r.onNode("grep", what, fmt.Sprintf("/proc/%d/status", status.PID)))[1])
	}
	u.memory, u.resident = kib("RssAnon"), kib("VmRSS")
	stat := r.onNode("cat", fmt.Sprintf("/proc/%d/stat", status.PID))
	fields := strings.Fields(stat[strings.LastIndex(stat, ")"):])
	u.ticks = number(fields[12]) + number(fields[13])
	return u
}

// Each gets a device of its own.
func exclusive(r resources) {
	r.apply(with("ci", "first", "unit", ""))
	r.apply(with("ci", "second", "unit", "hostUsers: false"))
	var have []string
	for _, pod := range []string{"first", "second"} {
		r.ready("ci", pod)
		if got := r.probe("ci", pod, "open /dev/unit rw"); got != "ok" {
			r.Errorf("%s: open /dev/unit: %s", pod, got)
		}
		stat := r.probe("ci", pod, "stat /dev/unit")
		r.Log(pod, ": ", stat)
		_, minor, _ := strings.Cut(stat, `"major":1,"minor":`)
		have = append(have, strings.TrimSuffix(minor, "}"))
	}
	slices.Sort(have)
	if !slices.Equal(have, []string{"3", "5"}) {
		r.Errorf("they have the devices 1:%q", have)
	}
	r.apply(with("ci", "third", "unit", ""))
	r.unschedulable("third", "unit")
}

// A namespace without the grant is refused, and so is what the kubelet has not written.
func refusedClaims(r resources) {
	r.apply(with("other", "greedy", "kvm", ""))
	if got, want := r.refused("other", "greedy"), `asks for profile "kvm", which is not granted in namespace "other"`; !strings.Contains(got, want) {
		r.Errorf("refused with %s", got)
	}
	r.apply(manifest("ci", "forged", "resource.nodegate.dev/kvm: slot-1", ""))
	if got := r.refused("ci", "forged"); !strings.Contains(got, "[not_allotted]") {
		r.Errorf("refused with %s", got)
	}
	r.apply(manifest("ci", "annotated", "profiles.nodegate.dev: unit", ""))
	if got := r.refused("ci", "annotated"); !strings.Contains(got, "each of its devices is for one container") {
		r.Errorf("refused with %s", got)
	}
}

// A quota bounds a namespace.
func quota(r resources) {
	r.do("-n", "other", "create", "quota", "kvm", "--hard=requests.nodegate.dev/kvm=1")
	defer r.do("-n", "other", "delete", "quota", "kvm")
	r.eventually("the quota to hold", func() error {
		_, err := r.Kubectl(r.Context(), "-n", "other", "wait", "quota/kvm", "--for=jsonpath={.status.hard}", "--timeout=5s")
		return err
	})
	const nowhere = "nodeSelector: {a: b}"
	r.apply(with("other", "one", "kvm", nowhere))
	if _, err := r.Apply(r.Context(), with("other", "two", "kvm", nowhere)); err == nil || !strings.Contains(err.Error(), "exceeded quota: kvm") {
		r.Errorf("a second pod: %v", err)
	}
}

// What goes away is unhealthy within a second, and the agent says why.
func health(r resources) {
	status := func(want string) time.Duration {
		began := time.Now()
		r.eventually(want, func() error {
			if text := r.status(); !strings.Contains(text, want) {
				return fmt.Errorf("%s", text)
			}
			return nil
		})
		return time.Since(began)
	}
	const handler = `the runtime has no handler "nodegate"` // of nodegate-runc, which alone delivers the profile
	status("nodegate.dev/mknod: 0 of 1 units can be had: " + handler)
	if doctor, _ := r.Command(r.nodegate(), "doctor").CombinedOutput(); !strings.Contains(string(doctor), handler) {
		r.Errorf("doctor does not say that %s: %s", handler, doctor)
	}
	r.onNode("mv", "/dev/kvm", "/dev/kvm-away")
	const why = `would get profile "kvm", but this node has no device "/dev/kvm"`
	r.Log("gone after ", status("nodegate.dev/kvm: 0 of 2 units can be had: "+why))
	if doctor, _ := r.Command(r.nodegate(), "doctor").CombinedOutput(); !strings.Contains(string(doctor), why) {
		r.Errorf("doctor does not say why: %s", doctor)
	}
	r.offered("kvm", 0)
	r.onNode("rm", "/dev/unit0")
	status("nodegate.dev/unit: 1 of 2 units")
	r.offered("unit", 1)
	r.onNode("mv", "/dev/kvm-away", "/dev/kvm")
	r.onNode("mknod", "-m", "0666", "/dev/unit0", "c", "1", "3")
	r.Log("back after ", status("nodegate.dev/kvm: 2 of 2 units can be had\n"))
	r.offered("kvm", 2)
	r.offered("unit", 2)
}

// running says whether a container of a pod runs.
func (r resources) running(pod string) bool {
	return r.get("-n", "ci", "get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].state.running.startedAt}") != ""
}

// While the agent hangs, nothing starts that has a resource.
func stoppedAgent(r resources, agent *node.Process) {
	r.signal(agent, syscall.SIGSTOP)
	r.apply(with("ci", "waits", "kvm", ""))
	time.Sleep(5 * time.Second)
	if r.running("waits") {
		r.Error("a container was started without the agent")
	}
	r.signal(agent, syscall.SIGCONT)
	r.ready("ci", "waits")
	if got := r.probe("ci", "waits", "open /dev/kvm rw"); got != "ok" {
		r.Errorf("open /dev/kvm: %s", got)
	}
}

// A container that has its units is not started again without an agent: the kubelet itself
// sees to that. Another agent, and it is.
func killedAgent(r resources, agent *node.Process) {
	// It ends at once, and the kubelet starts it again and again.
	r.apply(strings.Replace(with("ci", "again", "kvm", ""), "    imagePullPolicy: Never\n",
		"    imagePullPolicy: Never\n    command: [/probe, open, /dev/kvm, rw]\n", 1))
	restarts := func() string {
		return r.get("-n", "ci", "get", "pod", "again", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
	}
	r.eventually("a restart", func() error {
		if n := restarts(); n == "" || n == "0" {
			return fmt.Errorf("restarts: %q", n)
		}
		return nil
	})
	r.signal(agent, syscall.SIGKILL)
	r.eventually("a container that is not started", func() error {
		text := r.get("-n", "ci", "get", "pod", "again", "-o", "jsonpath={.status.containerStatuses[0].state.waiting}")
		if !strings.Contains(text, "nodegate.dev/kvm") && !strings.Contains(text, "device plugin") && !strings.Contains(text, "endpoint") {
			return fmt.Errorf("%s", text)
		}
		r.Log("without an agent: ", text)
		return nil
	})
	before := restarts()
	r.apply(with("ci", "new", "kvm", ""))
	time.Sleep(5 * time.Second)
	if r.running("new") || restarts() != before {
		r.Error("a container was started without an agent")
	}
	// Now and then it does not know a pod yet, and its call decides.
	if log := agent.Log(); !strings.Contains(log, "asked=true") || !strings.Contains(log, "pod_resources=true") {
		r.Errorf("the agent did not ask the kubelet:\n%s", log)
	}
	// From now on it cannot be asked: its word before the container is all there is.
	r.onNode("mount", "-t", "tmpfs", "tmpfs", "/var/lib/kubelet/pod-resources")
	second := r.agent("two")
	r.offered("kvm", 2)
	r.eventually("the container to run again", func() error {
		if restarts() == before {
			return fmt.Errorf("restarts: %s", before)
		}
		return nil
	})
	if log := second.Log(); !strings.Contains(log, "asked=false") || strings.Contains(log, "asked=true") || !strings.Contains(log, "pre_start=true") {
		r.Errorf("the agent did not go by the kubelet's call:\n%s", log)
	}
}

// An agent makes place for another as in a rolling update.
func twoAgents(r resources) {
	var second *node.Process
	for _, name := range []string{"three", "four"} {
		began := time.Now()
		second = r.agent(name)
		if err := second.WaitLog(r.Context(), "the kubelet is told of a resource"); err != nil {
			r.Fatal(err)
		}
		r.Log(name, " registered after ", time.Since(began))
	}
	// As the one goes the kubelet drops the other too, which registers again: a pod that
	// comes in between is not admitted (docs/policy.md).
	time.Sleep(2 * time.Second)
	r.apply(with("ci", "before", "kvm", ""))
	r.ready("ci", "before")
	r.signal(second, syscall.SIGTERM) // the one that the kubelet asks
	time.Sleep(2 * time.Second)
	r.apply(with("ci", "after", "kvm", ""))
	r.ready("ci", "after")
	r.offered("kvm", 2)
}

// A kubelet that is started again is told again, and lets its pods be.
func restartedKubelet(r resources) {
	r.apply(with("ci", "stays", "kvm", ""))
	r.ready("ci", "stays")
	if err := r.RestartKubelet(r.Context()); err != nil {
		r.Fatal(err)
	}
	r.apply(with("ci", "next", "kvm", ""))
	r.ready("ci", "next")
	r.offered("kvm", 2)
	if got := r.probe("ci", "stays", "open /dev/kvm rw"); got != "ok" {
		r.Errorf("open /dev/kvm: %s", got)
	}
}
