// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed namespaces.sh
var holderScript string

// RemoveCgroups defines a function of the shell, remove_cgroups, for whoever cleans up
// after pods.
//
//go:embed cgroups.sh
var RemoveCgroups string

// holder is the process that holds a node's namespaces and cleans up after it.
type holder struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr *tail
	done   chan struct{} // closed when the process has ended; err is set then
	err    error
}

// holdNamespaces starts the holder and returns when the namespaces are ready.
func holdNamespaces(ctx context.Context, dir, cgroup string, v2 bool) (*holder, error) {
	mode := "host"
	if v2 {
		mode = "v2"
	}
	cmd := exec.Command("unshare", "--mount", "--net", "--propagation", "unchanged",
		"sh", "-c", RemoveCgroups+holderScript, "nodegate-node", dir, cgroup, mode)
	cmd.Dir = "/"
	// An interrupt from the terminal is for us alone: the holder has to outlive it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	h := &holder{cmd: cmd, stderr: &tail{}, done: make(chan struct{})}
	cmd.Stderr = h.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("holding the node's namespaces: %w", err)
	}
	h.stdin = stdin
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("holding the node's namespaces: %w", err)
	}
	defer out.Close()
	cmd.Stdout = in
	err = cmd.Start()
	in.Close()
	if err != nil {
		return nil, fmt.Errorf("holding the node's namespaces: %w", err)
	}
	go func() {
		h.err = cmd.Wait()
		close(h.done)
	}()
	ready := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		ready <- strings.TrimSpace(line)
	}()
	select {
	case line := <-ready:
		if line == "ready" {
			return h, nil
		}
		h.release(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("setting up the node's namespaces: %s", h.stderr)
	case <-ctx.Done():
		h.release(context.WithoutCancel(ctx))
		return nil, ctx.Err()
	}
}

// enter returns the command that runs a program inside, with the program's process id
// as its own.
func (h *holder) enter(program string, args ...string) *exec.Cmd {
	proc := "/proc/" + h.process()
	all := append([]string{"--mount=" + proc + "/ns/mnt", "--net=" + proc + "/ns/net", "--wd=/", "--", program}, args...)
	return exec.Command("nsenter", all...)
}

// process names the process below /proc whose namespaces are the node's: the caller's
// where nobody holds others.
func (h *holder) process() string {
	if h == nil {
		return "self"
	}
	return strconv.Itoa(h.cmd.Process.Pid)
}

// release lets the holder clean up and waits for it.
func (h *holder) release(ctx context.Context) error {
	h.stdin.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case <-h.done:
	case <-ctx.Done():
		h.cmd.Process.Kill()
		return fmt.Errorf("cleaning up the node: not done in a minute: %s", h.stderr)
	}
	if h.err != nil {
		return fmt.Errorf("cleaning up the node: %w: %s", h.err, h.stderr)
	}
	return nil
}
