// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

//go:embed holder.sh
var holderScript string

// emulator is QEMU's process and the one that holds it.
type emulator struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr bytes.Buffer // to be read once done is closed
	done   chan struct{}
}

// startEmulator starts QEMU, which ends when this process does, however that ends; the
// folder goes then too.
func startEmulator(dir, program string, args []string) (*emulator, error) {
	e := &emulator{done: make(chan struct{})}
	e.cmd = exec.Command("sh", append([]string{"-c", holderScript, dir, program}, args...)...)
	e.cmd.Dir, e.cmd.Stderr = "/", &e.stderr
	// A session of its own: an interrupt from the terminal is for us alone, and the kernel
	// shares the processors out by session (sched_autogroup), so that an emulator beside a
	// compiler's many processes gets its half.
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var err error
	if e.stdin, err = e.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the emulator: %w", err)
	}
	if err := e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the emulator: %w", err)
	}
	go func() {
		_ = e.cmd.Wait() // how it ended, stderr says
		close(e.done)
	}()
	return e, nil
}

// said is what an emulator that has ended wrote.
func (e *emulator) said() string { return strings.TrimSpace(e.stderr.String()) }

// end ends QEMU and waits until it is gone with its folder.
func (e *emulator) end() error {
	e.stdin.Close()
	select {
	case <-e.done:
		return nil
	case <-time.After(time.Minute):
		return errors.New("ending a machine: the emulator is still there after a minute")
	}
}
