// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// orphanEnv makes TestOrphan the process that is killed instead of the one that kills.
const orphanEnv = "NODEGATE_TEST_ORPHAN"

// A node whose owner is killed, by a test's time limit for example, ends by itself.
func TestOrphan(t *testing.T) {
	node.Require(t, node.Options{})
	if os.Getenv(orphanEnv) != "" {
		ownNodeUntilKilled(t)
		return
	}
	owner := exec.Command(os.Args[0], "-test.run=^TestOrphan$", "-test.v")
	owner.Env = append(os.Environ(), orphanEnv+"=1")
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	defer owner.Wait()
	defer owner.Process.Kill()
	dir := ""
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		_, dir, _ = strings.Cut(lines.Text(), "node in ")
	}
	if dir == "" {
		t.Fatal("the owner started no node")
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The directory goes last.
	for range 200 {
		if _, err := os.Stat(dir); err != nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	assertGone(t, dir)
	assertNoProcesses(t, dir)
	for _, pattern := range []string{"/sys/fs/cgroup/%s", "/sys/fs/cgroup/*/%s"} {
		left, err := filepath.Glob(fmt.Sprintf(pattern, filepath.Base(dir)))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %q (%v)", left, err)
		}
	}
}

func ownNodeUntilKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := node.Start(ctx, node.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	run(ctx, t, n, node.PodConfig{Name: "orphan", UserNamespace: true}, node.ContainerConfig{})
	fmt.Println("node in " + n.Dir())
	<-ctx.Done()
}

// The agent's process: its log, its signals, its end.
func TestAgentProcess(t *testing.T) {
	n, ctx := start(t, node.Options{})
	// Tells where it runs: in the namespaces of containerd.
	agent := filepath.Join(n.Dir(), "agent.sh")
	script := "#!/bin/sh\necho \"$@\" in $(readlink /proc/self/ns/mnt)\nexec sleep 1000\n"
	if err := os.WriteFile(agent, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := n.StartAgent(ctx, agent, "/some/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	mnt, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", n.Containerd().Pid()))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitLog(ctx, "run --config /some/config.toml in "+mnt); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if p.Err() == nil {
		t.Error("an agent that was killed ended without an error")
	}
	if err := p.WaitLog(ctx, "registered"); err == nil || !strings.Contains(err.Error(), "some/config.toml") {
		t.Errorf("waiting for the log of an agent that ended: %v, without its log", err)
	}
	if p, err = n.StartAgent(ctx, agent, "/other.toml"); err != nil {
		t.Fatal(err)
	}
	// Left running: it ends with the node.
	if err := p.WaitLog(ctx, "/other.toml"); err != nil {
		t.Fatal(err)
	}
}
