// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Process is a program that the node runs beside its containers: containerd, or an
// agent. It is started and signalled by its own process id.
type Process struct {
	name string
	cmd  *exec.Cmd
	log  string // path
	from int64  // where in the log this run begins
	done chan struct{}
	err  error // valid once done is closed
}

// StartProcess starts a command with its output appended to a log file.
func StartProcess(name string, cmd *exec.Cmd, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	defer out.Close()
	from, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true // an interrupt from the terminal is for us alone
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Process{name: name, cmd: cmd, log: log, from: from, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Pid is the process's id in the caller's PID namespace.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended; Err then says how.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is the exit error of a process that has ended, nil before.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Signal sends a signal, e.g. SIGKILL, SIGSTOP, SIGCONT or SIGHUP. After SIGSTOP the process
// has stopped.
func (p *Process) Signal(s syscall.Signal) error {
	err := p.cmd.Process.Signal(s)
	if err == nil && s == syscall.SIGSTOP {
		err = waitStopped(p.Pid())
	}
	if err != nil {
		return fmt.Errorf("signalling %s: %w", p.name, err)
	}
	return nil
}

// Freeze stops a process that is no node's, by SIGSTOP.
func Freeze(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return waitStopped(p.Pid)
}

// waitStopped waits until every thread of a process has stopped: the others go on as long
// as the one that takes the signal gets no processor.
func waitStopped(pid int) error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/stat", pid))
		running := slices.ContainsFunc(threads, func(name string) bool {
			text, err := os.ReadFile(name)
			return err == nil && !strings.HasPrefix(string(text[strings.LastIndexByte(string(text), ')')+1:]), " T")
		})
		if len(threads) > 0 && !running {
			return nil
		}
	}
	return fmt.Errorf("process %d does not stop", pid)
}

// Stop ends the process with SIGTERM and, when ctx is done first, with SIGKILL.
func (p *Process) Stop(ctx context.Context) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // ended already: nothing to do
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	return p.Kill()
}

// stopSoon is Stop for the node's end: one that hangs, or was stopped by a test, is not
// waited for long.
func (p *Process) stopSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return p.Stop(ctx)
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() error {
	_ = p.cmd.Process.Kill()
	<-p.done
	return nil
}

// Log is what this run of the process has written so far.
func (p *Process) Log() string {
	f, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.Seek(p.from, io.SeekStart); err != nil {
		return ""
	}
	content, _ := io.ReadAll(f)
	return string(content)
}

// WaitLog returns when the process has written the text, or with an error that ends
// with the log when it ended or ctx was done before.
func (p *Process) WaitLog(ctx context.Context, text string) error {
	return p.WaitFor(ctx, fmt.Sprintf("%q in its log", text), func() bool {
		return bytes.Contains([]byte(p.Log()), []byte(text))
	})
}

// WaitFor polls a condition on behalf of a running process; what names it in the error.
func (p *Process) WaitFor(ctx context.Context, what string, condition func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if condition() {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended (%s) before there was %s:\n%s", p.name, p.cmd.ProcessState, what, p.end())
		case <-ctx.Done():
			return fmt.Errorf("%s: waiting for %s: %w\n%s", p.name, what, context.Cause(ctx), p.end())
		}
	}
}

func (p *Process) end() string {
	t := &tail{}
	_, _ = t.Write([]byte(p.Log()))
	return t.String()
}
