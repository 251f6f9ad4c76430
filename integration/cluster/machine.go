// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

var (
	//go:embed owner.sh
	ownerScript string
	//go:embed machine.sh
	machineScript string
)

// machine is what the cluster's node runs on: namespaces and files of its own.
type machine struct {
	owner  *exec.Cmd
	stdin  io.Closer
	stderr *bytes.Buffer // to be read once the owner has ended
	pid    int           // of process 1
	done   chan struct{}
	err    error // once done is closed
}

// startMachine returns when the node's files and network are there.
func startMachine(ctx context.Context, dir, bin, cgroup string) (*machine, error) {
	cmd := exec.Command("sh", "-c", node.RemoveCgroups+ownerScript, "nodegate-cluster", dir, bin, cgroup, machineScript)
	cmd.Dir = "/"
	// An interrupt from the terminal is for us alone: the owner has to clean up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	m := &machine{owner: cmd, stderr: &bytes.Buffer{}, done: make(chan struct{})}
	cmd.Stderr = m.stderr
	var err error
	if m.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout = in
	err = cmd.Start()
	in.Close()
	if err != nil {
		return nil, fmt.Errorf("starting the machine: %w", err)
	}
	go func() {
		m.err = cmd.Wait()
		close(m.done)
	}()
	ready := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		ready <- line
	}()
	select {
	case line := <-ready:
		if line == "ready\n" {
			m.pid, err = first(cmd.Process.Pid)
			return m, err
		}
		err = m.close()
		return nil, fmt.Errorf("setting up the machine: %s: %w", m.stderr, err)
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), m.close())
	}
}

// first finds process 1 of the machine: unshare's child, which is the owner's.
func first(owner int) (int, error) {
	unshare, err := child(owner)
	if err != nil {
		return 0, err
	}
	return child(unshare)
}

// child returns the only child of a process.
func child(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, fmt.Errorf("looking for a child of process %d: %w", pid, err)
	}
	fields := strings.Fields(string(text))
	if len(fields) != 1 {
		return 0, fmt.Errorf("process %d has the children %q, and one is looked for", pid, fields)
	}
	return strconv.Atoi(fields[0])
}

// enter is a command that runs on the node. The program is a child of the command's own
// process, in the node's PID namespace.
func (m *machine) enter(program string, args ...string) *exec.Cmd {
	of := strconv.Itoa(m.pid)
	return exec.Command("nsenter", append([]string{"--target", of, "--mount", "--net", "--pid", "--wd=/", "--", program}, args...)...)
}

// path is where a file of the node is to be found from outside.
func (m *machine) path(name string) string {
	return filepath.Join("/proc", strconv.Itoa(m.pid), "root", name)
}

// close ends all that runs there, and waits until nothing is left.
func (m *machine) close() error {
	m.stdin.Close()
	select {
	case <-m.done:
	case <-time.After(time.Minute):
		m.owner.Process.Kill()
		return errors.New("cleaning up the machine: not done in a minute")
	}
	if m.err != nil {
		return fmt.Errorf("cleaning up the machine: %w: %s", m.err, m.stderr)
	}
	return nil
}
