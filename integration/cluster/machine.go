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

// machine is what a node runs on: namespaces and files of its own.
type machine struct {
	owner  *exec.Cmd
	stdin  io.WriteCloser
	said   chan string   // what it prints, a line each
	stderr *bytes.Buffer // to be read once the owner has ended
	pid    int           // of process 1
	done   chan struct{}
	err    error // once done is closed
}

// startMachine returns when the node's files and network are there.
func startMachine(ctx context.Context, dir, bin, cgroup string, number int) (*machine, error) {
	cmd := exec.Command("unshare", "--mount", "sh", "-c", node.RemoveCgroups+ownerScript, "nodegate-cluster", dir, bin, cgroup, strconv.Itoa(number), machineScript)
	cmd.Dir = "/"
	// An interrupt from the terminal is for us alone: the owner has to clean up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	m := &machine{owner: cmd, said: make(chan string), stderr: &bytes.Buffer{}, done: make(chan struct{})}
	cmd.Stderr = m.stderr
	var err error
	if m.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = in
	err = cmd.Start()
	in.Close()
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("starting the machine: %w", err)
	}
	go func() {
		m.err = cmd.Wait()
		close(m.done)
	}()
	go func() {
		defer out.Close()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			select {
			case m.said <- lines.Text():
			case <-m.done:
			}
		}
	}()
	if err := m.waitReady(ctx); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

// waitReady waits until the machine has set itself up.
func (m *machine) waitReady(ctx context.Context) error {
	select {
	case <-m.said: // it has one thing to say
		var err error
		m.pid, err = first(m.owner.Process.Pid)
		return err
	case <-m.done:
		return errors.New("the machine ended while it set itself up")
	case <-ctx.Done():
		return fmt.Errorf("setting up the machine: %w", ctx.Err())
	}
}

// restart ends all that runs on the machine, and starts it again with its disk as it is.
func (m *machine) restart(ctx context.Context) error {
	if _, err := io.WriteString(m.stdin, "restart\n"); err != nil {
		return err
	}
	return m.waitReady(ctx)
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
