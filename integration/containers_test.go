// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// Each container of a pod gets its own profiles and nothing of its neighbours', an init
// container as well, and one that is started anew gets them again.
func TestContainersOfOnePod(t *testing.T) {
	needDevices(t, "/dev/fuse", "/dev/net/tun")
	n := sharedNode(t)
	g, _ := startAgent(t, n, grantApart("fuse", "tun", "no-mknod", "labelled")+`
[profiles.labelled.env]
GATE = "open"
`)
	for _, userns := range []bool{false, true} {
		p := runPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: map[string]string{
			"profiles.nodegate.dev":                   "no-mknod",
			"profiles.nodegate.dev/container.prepare": "fuse",
			"profiles.nodegate.dev/container.main":    "tun,labelled",
		}})

		// Init containers end before the others begin.
		prepare := runContainer(t, p, node.ContainerConfig{Name: "prepare", Args: []string{"open", "/dev/fuse", "rw"}})
		if code, err := prepare.Wait(t.Context()); err != nil || code != 0 {
			log, _ := prepare.Log()
			t.Errorf("an init container with a device: code %d, %v: %s", code, err, log)
		}
		if err := prepare.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}

		main := runContainer(t, p, node.ContainerConfig{Name: "main"})
		side := runContainer(t, p, node.ContainerConfig{Name: "side"})
		fifo := qa{"mknod p /dev/shm/fifo", "ok"}
		expectEach(t, main, []qa{{"ioctl-tun", "ok"}, {"open /dev/fuse", "ENOENT"}, {"env GATE", "open"}, fifo})
		expectEach(t, side, []qa{{"open /dev/net/tun", "ENOENT"}, {"open /dev/fuse", "ENOENT"}, {"env GATE", "unset"},
			{"mknod b /dev/shm/block-side 7 0", "EPERM"}})
		if !userns { // there, the kernel's own answer is the same
			expect(t, main, "mknod b /dev/shm/block-main 7 0", "ok")
		}

		// The kubelet starts a container that ended anew, under a further id.
		if err := main.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := runContainer(t, p, node.ContainerConfig{Name: "main"})
		expectEach(t, again, []qa{{"ioctl-tun", "ok"}, {"open /dev/fuse", "ENOENT"}, {"env GATE", "open"}})
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
	needDevices(t, "/dev/fuse")
	n := sharedNode(t)
	startAgent(t, n, grantApart("fuse", "ping", "no-mknod")+"[profiles.labelled.env]\nGATE = \"open\"\n"+grantApart("labelled"))
	questions := []string{"open /dev/fuse rw", "stat /dev/fuse", "mknod b /dev/shm/block 7 0", "mknod c /dev/shm/char 1 3",
		"sysctl " + pingRange, "ping " + gateway, "env GATE", "caps"}
	for _, userns := range []bool{false, true} {
		for _, uid := range []int64{0, 1000} {
			p := runPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: askFor("fuse,ping,no-mknod,labelled")})
			config := node.ContainerConfig{RunAsUser: &uid, RunAsGroup: &uid, Seccomp: node.SeccompRuntimeDefault}
			exec := runContainer(t, p, config)
			byExec := ask(t, exec, questions...)
			config.Name, config.Args = "first", append([]string{"each"}, questions...)
			first := runContainer(t, p, config)
			if code, err := first.Wait(t.Context()); err != nil || code != 0 {
				t.Fatalf("the container's own program: code %d, %v", code, err)
			}
			if got := logged(t, first); strings.Join(got, "\n") != strings.Join(byExec, "\n") {
				t.Errorf("uid %d, user namespace %v:\nthe container's program sees %q\nwhat is exec'd later   %q", uid, userns, got, byExec)
			}
			for i, want := range []string{"ok", "", "EPERM", "EPERM", "", "reply from " + gateway, "open"} {
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
