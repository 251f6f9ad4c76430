// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/node"
)

// badPolicy keeps the agent from starting.
const badPolicy = "/etc/nodegate/conf.d/bad.toml"

// troubles are what can go wrong on a node, as pods meet it.
var troubles = map[string]func(t *testing.T, n *node.Node){
	"clock": clockJumps, "room": runIsFull, "agent": agentDoesNotStart,
}

// Whatever goes wrong on a node, pods get what they are granted, or what docs/security.md
// says, and the error that they are refused with says why.
func TestTroubles(t *testing.T) {
	if trouble := it.Inside(); trouble != "" {
		troubles[trouble](t, attach(t))
		return
	}
	t.Parallel()
	m := start(t, machines.Options{})
	m.patient()
	m.install()
	for trouble := range troubles {
		t.Run(trouble, func(t *testing.T) { m.in(t).inside(trouble) })
	}
	m.nothingLeft()
}

// asking is a pod that asks for what given has.
func asking(handler string) node.PodConfig {
	return node.PodConfig{Namespace: "ci", UserNamespace: true, Handler: handler, Annotations: it.AskFor("fuse,ping")}
}

var given = []it.QA{{"open /dev/fuse rw", "ok"}, {"ping 127.0.0.1", "reply from 127.0.0.1"}}

// clockJumps sets the clock by years while agent and containerd run.
func clockJumps(t *testing.T, n *node.Node) {
	plain, wrapped := it.RunPod(t, n, asking("")), it.RunPod(t, n, asking("nodegate"))
	before := starts(t, wrapped, "before")
	system(t, "date --set '+400 days'")
	it.ExpectEach(t, starts(t, plain, "forward"), given)
	system(t, "date --set '-800 days'")
	it.ExpectEach(t, starts(t, wrapped, "back"), given)
	it.ExpectEach(t, before, given)
	waits(t, "nodegate status --strict")
}

// runIsFull: no container starts with less than it is granted where no record of it can be
// written, and all is well when there is room again.
func runIsFull(t *testing.T, n *node.Node) {
	plain, wrapped := it.RunPod(t, n, asking("")), it.RunPod(t, n, asking("nodegate"))
	empty := fill(t, "/run/full")
	for _, pod := range []*node.Pod{plain, wrapped} {
		got := refused(t, pod, "full", `nodegate: container "full" of pod ci/`+pod.Config.Name+` cannot be given a record: writing the decision record /run/nodegate/decisions/`)
		if !strings.Contains(got, ": no space left on device") {
			t.Errorf("refused with %s", got)
		}
	}
	empty()
	it.ExpectEach(t, starts(t, wrapped, "room"), given)
}

// agentDoesNotStart: systemd starts it again and again, since its policy is wrong. A pod of
// each way to be sure of the agent is refused, and one that is not sure gets less.
func agentDoesNotStart(t *testing.T, n *node.Node) {
	required := asking("")
	required.Annotations["required-plugins.noderesource.dev"] = `["nodegate"]`
	plain, wrapped, requires := it.RunPod(t, n, asking("")), it.RunPod(t, n, asking("nodegate")), it.RunPod(t, n, required)
	it.Must(t, os.MkdirAll("/etc/nodegate/conf.d", 0o755), os.WriteFile(badPolicy, []byte("grants = 1\n"), 0o644))
	system(t, "systemctl restart --no-block nodegate")
	waits(t, "test $(systemctl show nodegate -p NRestarts --value) -ge 1")

	it.Expect(t, starts(t, plain, "away"), "open /dev/fuse rw", "ENOENT")
	refused(t, wrapped, "away", `nodegate: container "away" of pod ci/`+wrapped.Config.Name+` has no decision record, so its adjustment is not known: see that the nodegate agent runs on this node`)
	refused(t, requires, "away", `validation error: required plugin "nodegate" not present`)
	if said, err := exec.Command("nodegate", "doctor").CombinedOutput(); err == nil || !strings.Contains(string(said), badPolicy) {
		t.Errorf("doctor does not name what keeps the agent from starting: %v: %s", err, said)
	}

	it.Must(t, os.RemoveAll("/etc/nodegate/conf.d"))
	waits(t, `nodegate status | grep -F 'container "away" of pod ci/`+plain.Config.Name+` runs without fuse, ping'`)
	it.ExpectEach(t, starts(t, requires, "well"), given)
	it.ExpectEach(t, starts(t, wrapped, "well"), given)
}

// starts starts a container as the kubelet does: again, where an agent that has just gone, or
// that was late on a busy machine, has it refused.
func starts(t *testing.T, pod *node.Pod, name string) *node.Container {
	t.Helper()
	c, err := tries(t, pod, name, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused tries a container until it is refused for this reason, and returns all that is said.
func refused(t *testing.T, pod *node.Pod, name, reason string) string {
	t.Helper()
	_, err := tries(t, pod, name, reason)
	if err == nil {
		t.Errorf("container %q of pod %q started", name, pod.Config.Name)
		return ""
	}
	if !strings.Contains(err.Error(), reason) {
		t.Errorf("container %q of pod %q is refused for another reason", name, pod.Config.Name)
	}
	t.Logf("refused: %v", err)
	return err.Error()
}

// tries tries a container until it starts, is refused for a reason, or it takes too long.
func tries(t *testing.T, pod *node.Pod, name, reason string) (c *node.Container, err error) {
	t.Helper()
	for until := time.Now().Add(limit); time.Now().Before(until); time.Sleep(time.Second) {
		c, err = pod.RunContainer(t.Context(), node.ContainerConfig{Name: name})
		if err == nil || reason != "" && strings.Contains(err.Error(), reason) {
			break
		}
		t.Logf("container %q of pod %q: %v", name, pod.Config.Name, err)
	}
	return c, err
}

// fill takes all the room of a file system until empty is called.
func fill(t *testing.T, path string) (empty func()) {
	t.Helper()
	f, err := os.Create(path)
	it.Must(t, err)
	t.Cleanup(func() { _ = os.Remove(path) }) // it is gone where all went well
	var room unix.Statfs_t
	it.Must(t, unix.Fstatfs(int(f.Fd()), &room))
	size := int64(room.Bavail) * room.Bsize
	it.Must(t, unix.Fallocate(int(f.Fd()), 0, 0, size))
	page := make([]byte, room.Bsize)
	for err = nil; err == nil; size += room.Bsize {
		_, err = f.WriteAt(page, size)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	it.Must(t, f.Close())
	return func() { it.Must(t, os.Remove(path)) }
}

// system runs a line of the shell, here on the machine, which has to end well.
func system(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// waits waits until a line of the shell ends well.
func waits(t *testing.T, line string) {
	t.Helper()
	for until := time.Now().Add(limit); ; time.Sleep(500 * time.Millisecond) {
		out, err := exec.Command("sh", "-c", line).CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
}
