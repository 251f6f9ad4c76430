// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/install"
)

// systemd runs the host's systemctl on a machine that systemd runs, and otherwise says
// what to run there.
type systemd struct {
	w    io.Writer
	host install.Tree
	live bool
	err  error
}

// newSystemd acts on this machine, and with --restart also on one whose root is
// elsewhere, as a container sees its host.
func newSystemd(w io.Writer, root string, restart, dryRun bool) (*systemd, error) {
	s := &systemd{w: w, host: install.At(root)}
	runs := s.host.RunsSystemd()
	if restart && !dryRun && !runs {
		return nil, fmt.Errorf("--restart: %s is not the root of a machine that systemd runs (it has no /run/systemd/system): leave --restart out, and restart there what runs containerd", root)
	}
	s.live = runs && (restart || root == "/")
	return s, nil
}

func (s *systemd) run(ctx context.Context, args ...string) {
	line := "systemctl " + strings.Join(args, " ")
	if !s.live {
		fmt.Fprintf(s.w, "On the node: %s\n", line)
		return
	}
	fmt.Fprintln(s.w, line)
	if _, err := s.output(ctx, args...); err != nil {
		s.err = errors.Join(s.err, err)
	}
}

func (s *systemd) output(ctx context.Context, args ...string) (string, error) {
	cmd, err := s.host.Command(ctx, []string{"systemctl"}, args...)
	if err != nil {
		return "", fmt.Errorf("looking for systemctl on the host: %w", err)
	}
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		err = fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, err
}

// running returns those of the units that are to be restarted, or why systemd cannot do
// that, before anything is changed. Of several, only those that run: a k3s server, say,
// and not an agent that is installed beside it.
func (s *systemd) running(ctx context.Context, units []string) ([]string, error) {
	var loaded, running []string
	for _, unit := range units {
		out, err := s.output(ctx, "show", "-p", "LoadState", "-p", "ActiveState", "--value", unit)
		if err != nil {
			return nil, fmt.Errorf("--restart: %w (in a container this takes the capability SYS_CHROOT, and the host's /run)", err)
		}
		if state := strings.Fields(out); slices.Contains(state, "loaded") {
			loaded = append(loaded, unit)
			if !slices.Contains(state, "inactive") {
				running = append(running, unit)
			}
		}
	}
	switch {
	case len(running) > 0:
		return running, nil
	case len(loaded) == 1:
		return loaded, nil
	case len(loaded) > 1:
		return nil, fmt.Errorf("--restart: none of %s runs: start the one that is this node's", strings.Join(loaded, ", "))
	}
	return nil, fmt.Errorf("--restart: the host has no unit %s: leave --restart out, and restart what runs containerd there", strings.Join(units, ", "))
}

// startTime bounds what a restarted containerd takes until it listens: k3s starts a
// whole cluster before.
const startTime = 2 * time.Minute

// restartRuntime restarts what runs containerd and waits until that listens again.
func (s *systemd) restartRuntime(ctx context.Context, p *install.Plan, units []string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	before := p.Listening()
	fmt.Fprintf(s.w, "systemctl restart %s\n", strings.Join(units, " "))
	if _, err := s.output(ctx, append([]string{"restart"}, units...)...); err != nil {
		return err
	}
	for {
		state, up := s.active(ctx, units)
		// Where containerd listens elsewhere than is known, systemd's word has to do.
		if up && (before.IsZero() || p.Listening().After(before)) {
			fmt.Fprintln(s.w, state)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("containerd does not listen again after %s: %s", startTime, state)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// active tells each unit's state, and whether one is up.
func (s *systemd) active(ctx context.Context, units []string) (string, bool) {
	out, err := s.output(ctx, append([]string{"is-active"}, units...)...)
	var exit *exec.ExitError // of a unit that is not
	if states := strings.Fields(out); (err == nil || errors.As(err, &exit)) && len(states) == len(units) {
		var said []string
		for i, unit := range units {
			said = append(said, unit+" is "+states[i])
		}
		return strings.Join(said, ", "), slices.Contains(states, "active")
	}
	return fmt.Sprintf("%s: %v", strings.Join(units, " "), err), false
}
