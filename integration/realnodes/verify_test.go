// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// squashes mounts a file system by FUSE and takes it away.
const squashes = "cd /tmp && mkdir m && mksquashfs /etc/default i -quiet -no-progress >/dev/null && squashfuse i m && ls m >/dev/null && fusermount3 -u m"

// verifyPods records a privileged container to its end, and has nodegate learn run it again
// under what it proposes: once, or once without each entry of that, which takes minutes.
func verifyPods(t *testing.T, how string) {
	l := &lesson{T: t, node: attach(t), pod: "verified"}
	before, err := os.ReadFile(nodeConfig)
	it.Must(t, err)
	t.Cleanup(func() { l.policy(string(before)) })
	l.policy("version = 1\n")
	p := l.recordToEnd("/root/verified.jsonl")
	cmd := exec.Command("nodegate", "learn", "--from", "/root/verified.jsonl", "--"+how, "--for", "2m", "-o", "json")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	t.Logf("nodegate learn --%s:\n%s%s", how, &said, out)
	it.Must(t, err)
	var got struct {
		Verified struct {
			Works       bool
			Seen        string
			NotRecorded string
			Verdicts    []struct{ What, Result string }
		}
	}
	it.Must(t, json.Unmarshal(out, &got))
	if v := &got.Verified; !v.Works || v.Seen != "ended with status 0" || v.NotRecorded != "" {
		t.Errorf("under the proposal: %+v", v)
	}
	used := map[string]bool{}
	for _, v := range got.Verified.Verdicts {
		used[v.What] = v.Result == "allowed, used"
	}
	for _, what := range []string{"/dev/fuse", "CAP_SYS_ADMIN", "system call mount", "system call umount2"} {
		if !used[what] {
			t.Errorf("%s is not used under the proposal: %+v", what, got.Verified.Verdicts)
		}
	}
	it.Remove(t, p)
}

// recordToEnd saves what is recorded of a privileged container until it ends.
func (l *lesson) recordToEnd(file string) *node.Pod {
	l.Helper()
	l.said = &safeBuffer{}
	record := exec.Command("nodegate", "learn", "--pod", "ci/"+l.pod, "--for", "30m", "--save", file)
	record.Stdout, record.Stderr = l.said, l.said
	it.Must(l.T, record.Start())
	ended := make(chan error, 1)
	go func() { ended <- record.Wait() }()
	l.Cleanup(func() { _ = record.Process.Kill() }) // it has ended, unless the test failed
	l.says("waiting for pod")
	p := it.RunPod(l.T, l.node, node.PodConfig{Name: l.pod, Namespace: "ci", Privileged: true})
	l.says("recording pod")
	c := it.RunContainer(l.T, p, node.ContainerConfig{Name: "squash", Image: node.ImageName("tools"), Command: []string{"sh", "-c", squashes}, Privileged: true})
	code, err := c.Wait(l.Context())
	it.Must(l.T, err, record.Process.Signal(os.Interrupt), <-ended)
	if code != 0 {
		l.Fatalf("privileged: exit code %d", code)
	}
	return p
}
