// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// learnAgain records each program by itself, and has nodegate learn run it again under what
// it proposes: once (verify), or once without each entry of that (minimize). The program then
// runs under the policy that is proposed in the end.
func learnAgain(t *testing.T, how, names string) {
	before, err := os.ReadFile(nodeConfig)
	it.Must(t, err)
	for _, p := range named(names) {
		t.Run(p.name, func(t *testing.T) {
			l := &lesson{T: t, node: attach(t), pod: "again", learnt: []*learnt{{program: p}}}
			t.Cleanup(func() { l.policy(string(before)) })
			l.policy("version = 1\n") // what is granted already is not proposed
			l.again(how, l.learnt[0])
			l.runAs()
		})
	}
}

// again runs nodegate learn for one program until it has a proposal that was tried.
func (l *lesson) again(how string, of *learnt) {
	l.Helper()
	p := l.recordToEnd(of)
	defer it.Remove(l.T, p)
	args := []string{"learn", "--from", saved, "--" + how, "--for", "6m", "-o", "json"}
	if of.check != "" {
		args = append(args, "--check", of.check)
	}
	began := time.Now()
	cmd := exec.Command("nodegate", args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	l.Logf("nodegate learn --%s after %.0f s:\n%s", how, time.Since(began).Seconds(), &said)
	it.Must(l.T, err, json.Unmarshal(out, &l.proposal))
	of.profiles = l.proposal.Pods[0].Containers[0].Profiles
	l.Logf("proposed: %s", l.proposal.Policy)
	v := &l.proposal.Verified
	if !v.Works || v.NotRecorded != "" || v.Cut != "" {
		l.Fatalf("under the proposal: %+v", v)
	}
	for _, entry := range v.Verdicts {
		l.Logf("%s, %s: %s", of.name, entry.What, entry.Result)
	}
	for _, entry := range v.Minimized {
		l.Logf("%s without %s: %s", of.name, entry.What, entry.Seen)
		if of.entries++; !entry.Needed {
			of.needless = append(of.needless, entry.What)
		}
	}
	if how == "minimize" && of.entries == 0 {
		l.Errorf("no entry was taken away of\n%s", out)
	}
	if of.name == "squashfuse" {
		l.used("/dev/fuse", "CAP_SYS_ADMIN", "system call mount", "system call umount2")
	}
}

// used sees that a run under the proposal used all of these.
func (l *lesson) used(all ...string) {
	l.Helper()
	seen := fmt.Sprintf("%+v", l.proposal.Verified.Verdicts)
	for _, what := range all {
		if !strings.Contains(seen, "What:"+what+" Result:allowed, used}") {
			l.Errorf("%s is not used under the proposal: %s", what, seen)
		}
	}
}

// recordToEnd saves what is recorded of a pod with the program as its container, until that
// ends, or until its check succeeds. The runtime keeps the pod, which can be copied.
func (l *lesson) recordToEnd(of *learnt) *node.Pod {
	l.Helper()
	config := node.ContainerConfig{Name: of.name, Image: node.ImageName(of.image), Command: of.command, Privileged: true}
	if of.command == nil {
		script := of.script
		if of.volume != "" { // what the run before left there would save this one its work
			script = "rm -rf " + of.volume + "/*; " + script
			config.Mounts = l.volume(of)
		}
		config.Command = []string{"sh", "-c", script}
	}
	stop := l.recording("--pod", "ci/"+l.pod)
	p := it.RunPod(l.T, l.node, node.PodConfig{Name: l.pod, Namespace: "ci", Privileged: true})
	l.says("recording pod")
	c := it.RunContainer(l.T, p, config)
	began := time.Now()
	if of.check != "" {
		l.succeeds(c, of.check)
	} else if code, err := c.Wait(l.Context()); err != nil || code != 0 {
		l.Fatalf("privileged: exit code %d, %v", code, err)
	}
	stop()
	of.privileged = time.Since(began)
	_, err := l.node.CRI().StopContainer(l.Context(), it.StopRequest(c))
	it.Must(l.T, err)
	return p
}

// succeeds waits until a check does in a container.
func (l *lesson) succeeds(c *node.Container, check string) {
	l.Helper()
	for until := time.Now().Add(limit); time.Now().Before(until); time.Sleep(time.Second) {
		if r, err := c.Exec(l.Context(), "sh", "-c", check); err == nil && r.Code == 0 {
			return
		}
	}
	l.Fatalf("%q does not succeed", check)
}
