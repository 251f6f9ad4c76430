// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/nodegate/nodegate/integration/machines/wire"
)

// ExitError is a command that ran on the machine and did not end with 0.
type ExitError struct {
	Command []string
	Code    int // -1: a signal ended it
	Output  string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s: exit code %d\n%s", strings.Join(e.Command, " "), e.Code, lastLines(e.Output, 60))
}

// Run runs a program on the machine as root and returns what it wrote to both of its
// outputs. One that does not end with 0 is an *ExitError. When ctx is done it is killed
// with its process group.
func (m *Machine) Run(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	err := m.Stream(ctx, &out, nil, args...)
	return out.String(), err
}

// Sh runs a line of the shell, as Run does.
func (m *Machine) Sh(ctx context.Context, line string) (string, error) {
	return m.Run(ctx, "sh", "-c", line)
}

// Stream is Run for a program whose output is read while it runs, with variables of its
// environment as NAME=VALUE.
func (m *Machine) Stream(ctx context.Context, out io.Writer, env []string, args ...string) error {
	kept := &bytes.Buffer{}
	code, err := m.stream(ctx, wire.Command{Args: args, Env: env}, http.NoBody, io.MultiWriter(out, kept))
	if err != nil {
		return fmt.Errorf("running %q on the machine: %w", args, err)
	}
	if code != 0 {
		return &ExitError{args, code, kept.String()}
	}
	return nil
}

// Write makes a file of the machine, by a rename, with the folders above it.
func (m *Machine) Write(ctx context.Context, path string, mode fs.FileMode, content io.Reader) error {
	const script = `set -e; mkdir -p "$(dirname "$1")"; cat >"$1.new"; chmod "$2" "$1.new"; mv -f "$1.new" "$1"`
	var out bytes.Buffer
	code, err := m.stream(ctx, wire.Command{Args: []string{"sh", "-c", script, "sh", path, fmt.Sprintf("%o", mode.Perm())}}, content, &out)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d: %s", code, out.String())
	}
	if err != nil {
		return fmt.Errorf("writing %s of the machine: %w", path, err)
	}
	return nil
}

// Copy puts a file of this machine on the other, with its mode.
func (m *Machine) Copy(ctx context.Context, from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copying to the machine: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("copying to the machine: %w", err)
	}
	return m.Write(ctx, to, info.Mode(), f)
}
