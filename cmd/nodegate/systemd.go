// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// runsSystemd is what sd_booted(3) tests.
func runsSystemd() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// systemd runs systemctl on a machine that systemd runs, and otherwise says what to
// run there.
type systemd struct {
	w    io.Writer
	live bool
	err  error
}

func (s *systemd) run(ctx context.Context, args ...string) {
	line := "systemctl " + strings.Join(args, " ")
	if !s.live {
		fmt.Fprintf(s.w, "On the node: %s\n", line)
		return
	}
	fmt.Fprintln(s.w, line)
	if out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput(); err != nil {
		s.err = errors.Join(s.err, fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out))))
	}
}
