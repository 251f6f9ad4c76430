// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nodegate/nodegate/integration/machines/wire"
)

// run runs a program. What it writes is the answer's body, as it is written; how it ended
// is the trailer. A caller that goes away ends it, with its process group.
func run(w http.ResponseWriter, r *http.Request) {
	var c wire.Command
	if err := json.Unmarshal([]byte(r.Header.Get(wire.CommandHeader)), &c); err != nil || len(c.Args) == 0 {
		http.Error(w, "no command", http.StatusBadRequest)
		return
	}
	w.Header().Set("Trailer", wire.ExitTrailer)
	cmd := exec.CommandContext(r.Context(), c.Args[0], c.Args[1:]...)
	cmd.Env = append(os.Environ(), "HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.Dir, cmd.Stdin = "/", r.Body
	out := flushing(w)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// Of a program that left another one behind with its output.
	cmd.WaitDelay = time.Second
	_, _ = out.Write(nil) // the answer begins before the program says something
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		w.Header().Set(wire.ExitTrailer, "0")
	case errors.As(err, &exit):
		w.Header().Set(wire.ExitTrailer, strconv.Itoa(exit.ExitCode()))
	default:
		w.Header().Set(wire.ExitTrailer, err.Error())
	}
}

// flushing is a writer that sends what it gets at once.
func flushing(w http.ResponseWriter) io.Writer {
	return &flusher{w: w, c: http.NewResponseController(w)}
}

type flusher struct {
	mu sync.Mutex
	w  http.ResponseWriter
	c  *http.ResponseController
}

func (f *flusher) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.c.Flush()
}
