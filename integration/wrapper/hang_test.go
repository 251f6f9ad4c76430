// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package wrapper

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/node"
)

// The agent hangs between its record and its reply, for longer than the runtime waits.
// Where a plugin can validate, the runtime refuses the container; an older one creates it
// without the adjustment, and the wrapper runs none.
func TestWrappedAgentHangs(t *testing.T) {
	for version, refused := range map[string]string{
		node.DefaultContainerd: it.Unanswered,
		"2.0.14":               "has a decision record, but the agent's answer did not arrive",
	} {
		t.Run(version, func(t *testing.T) { testWrappedAgentHangs(t, version, refused) })
	}
}

func testWrappedAgentHangs(t *testing.T, version, refused string) {
	const tries = 60
	n, w := it.WrappedNode(t, node.Options{ExtraConfig: it.ShortTimeout, Containerd: version})
	g, agent := it.StartAgent(t, n, it.GrantApart("mknod"))
	w.Exempt(t, g.State)
	decisions := filepath.Join(g.State, "decisions")
	it.Must(t, os.MkdirAll(decisions, 0o700))
	watch, err := fsnotify.NewWatcher()
	it.Must(t, err)
	defer watch.Close()
	it.Must(t, watch.Add(decisions))
	go func() {
		for e := range watch.Events {
			if e.Has(fsnotify.Create) && strings.HasSuffix(e.Name, ".json") {
				_ = agent.Signal(syscall.SIGSTOP)
			}
		}
	}()
	slowDown(t, agent)
	p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, Annotations: it.AskFor("mknod")})
	for i := range tries {
		c, err := p.RunContainer(t.Context(), node.ContainerConfig{Name: fmt.Sprintf("try-%d", i), DropCapabilities: []string{"ALL"}})
		it.Must(t, agent.Signal(syscall.SIGCONT))
		switch {
		case err == nil: // the reply was faster: it has all
			it.Expect(t, c, "mknod c /tmp/one 1 3", "ok")
			it.Must(t, c.Remove(t.Context()))
		case strings.Contains(err.Error(), refused):
			t.Logf("caught at try %d: %v", i, err)
			// Its removal was not told to the agent, which finds the record when it is back.
			it.Must(t, agent.WaitFor(t.Context(), "no record", func() bool { return len(g.Left()) == 0 }))
			return
		case strings.Contains(err.Error(), "has no decision record"): // not back yet
			time.Sleep(100 * time.Millisecond)
		default:
			t.Fatalf("try %d: %v", i, err)
		}
	}
	t.Errorf("the agent was never caught between record and reply in %d tries", tries)
}

// slowDown lets the process run when nothing else wants to, so that who watches it is
// the faster one.
func slowDown(t *testing.T, p *node.Process) {
	t.Helper()
	for _, tid := range it.Entries(t, fmt.Sprintf("/proc/%d/task", p.Pid())) {
		id, err := strconv.Atoi(tid)
		it.Must(t, err)
		if err := unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil && err != unix.ESRCH {
			t.Fatal(err)
		}
	}
}
