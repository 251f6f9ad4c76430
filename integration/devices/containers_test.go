// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// Each container of a pod gets its own profiles and nothing of its neighbours', an init
// container as well, and one that is started anew gets them again.
func TestContainersOfOnePod(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse", "/dev/net/tun")
	n := it.SharedNode(t)
	g, _ := it.StartAgent(t, n, it.GrantApart("fuse", "tun", "no-mknod", "labelled")+`
[profiles.labelled.env]
GATE = "open"
`)
	for _, userns := range []bool{false, true} {
		p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: map[string]string{
			"profiles.nodegate.dev":                   "no-mknod",
			"profiles.nodegate.dev/container.prepare": "fuse",
			"profiles.nodegate.dev/container.main":    "tun,labelled",
		}})

		// Init containers end before the others begin.
		prepare := it.RunContainer(t, p, node.ContainerConfig{Name: "prepare", Args: []string{"open", "/dev/fuse", "rw"}})
		if code, err := prepare.Wait(t.Context()); err != nil || code != 0 {
			log, _ := prepare.Log()
			t.Errorf("an init container with a device: code %d, %v: %s", code, err, log)
		}
		if err := prepare.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}

		main := it.RunContainer(t, p, node.ContainerConfig{Name: "main"})
		side := it.RunContainer(t, p, node.ContainerConfig{Name: "side"})
		fifo := it.QA{"mknod p /dev/shm/fifo", "ok"}
		it.ExpectEach(t, main, []it.QA{{"ioctl-tun", "ok"}, {"open /dev/fuse", "ENOENT"}, {"env GATE", "open"}, fifo})
		it.ExpectEach(t, side, []it.QA{{"open /dev/net/tun", "ENOENT"}, {"open /dev/fuse", "ENOENT"}, {"env GATE", "unset"},
			{"mknod b /dev/shm/block-side 7 0", "EPERM"}})
		if !userns { // there, the kernel's own answer is the same
			it.Expect(t, main, "mknod b /dev/shm/block-main 7 0", "ok")
		}

		// The kubelet starts a container that ended anew, under a further id.
		if err := main.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := it.RunContainer(t, p, node.ContainerConfig{Name: "main"})
		it.ExpectEach(t, again, []it.QA{{"ioctl-tun", "ok"}, {"open /dev/fuse", "ENOENT"}, {"env GATE", "open"}})
		for _, left := range g.Left() {
			if strings.Contains(left, main.ID) || strings.Contains(left, prepare.ID) {
				t.Errorf("left of a container that was removed: %s", left)
			}
		}
		if userns && len(nodesOf(t, g, again)) != 1 {
			t.Error("the container that was started anew has no shadow node of its own")
		}
	}
}

// The container's own program and what is exec'd later see the same.
func TestExecSeesTheSame(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	it.StartAgent(t, n, it.GrantApart("fuse", "ping", "no-mknod")+"[profiles.labelled.env]\nGATE = \"open\"\n"+it.GrantApart("labelled"))
	questions := []string{"open /dev/fuse rw", "stat /dev/fuse", "mknod b /dev/shm/block 7 0", "mknod c /dev/shm/char 1 3",
		"sysctl " + it.PingRange, "ping " + it.Gateway, "env GATE", "caps"}
	for _, userns := range []bool{false, true} {
		for _, uid := range []int64{0, 1000} {
			p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskFor("fuse,ping,no-mknod,labelled")})
			config := node.ContainerConfig{RunAsUser: &uid, RunAsGroup: &uid, Seccomp: node.SeccompRuntimeDefault}
			exec := it.RunContainer(t, p, config)
			byExec := it.Ask(t, exec, questions...)
			config.Name, config.Args = "first", append([]string{"each"}, questions...)
			first := it.RunContainer(t, p, config)
			if code, err := first.Wait(t.Context()); err != nil || code != 0 {
				t.Fatalf("the container's own program: code %d, %v", code, err)
			}
			if got := logged(t, first); strings.Join(got, "\n") != strings.Join(byExec, "\n") {
				t.Errorf("uid %d, user namespace %v:\nthe container's program sees %q\nwhat is exec'd later   %q", uid, userns, got, byExec)
			}
			for i, want := range []string{"ok", "", "EPERM", "EPERM", "", "reply from " + it.Gateway, "open"} {
				if want != "" && byExec[i] != want {
					t.Errorf("uid %d, user namespace %v: %s: %q, want %q", uid, userns, questions[i], byExec[i], want)
				}
			}
		}
	}
}

// logged reads the answers of a probe that was the container's own program.
func logged(t *testing.T, c *node.Container) []string {
	t.Helper()
	log, err := c.Log()
	if err != nil {
		t.Fatal(err)
	}
	var answers []string
	_, list, _ := strings.Cut(log, "[")
	if err := json.Unmarshal([]byte("["+list), &answers); err != nil {
		t.Fatalf("%v in %q", err, log)
	}
	return answers
}
