// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/install"
)

// systemd has the host's systemd do what systemctl would, and otherwise says what to run
// there.
//
// It speaks to systemd itself: systemctl refuses to where it cannot see the process at
// the other end, as in a container with PIDs of its own.
type systemd struct {
	w    io.Writer
	bus  *dbus.Conn // nil: nothing is done
	root string
	err  error
}

// newSystemd acts on this machine, and with --restart also on one whose root is
// elsewhere, as a container sees its host.
func newSystemd(ctx context.Context, w io.Writer, root string, restart, dryRun bool) (*systemd, error) {
	s := &systemd{w: w, root: root}
	runs := install.At(root).RunsSystemd()
	switch {
	case dryRun, !restart && (root != "/" || !runs):
		return s, nil
	case !runs:
		return nil, fmt.Errorf("--restart: %s is not the root of a machine that systemd runs (it has no /run/systemd/system): leave --restart out, and restart the container runtime there", root)
	}
	var err error
	if s.bus, err = install.At(root).Systemd(ctx); err != nil && restart {
		return nil, fmt.Errorf("--restart: systemd of the host at %s does not answer: %w", root, err)
	}
	return s, nil
}

func (s *systemd) close() {
	if s.bus != nil {
		s.bus.Close()
	}
}

// run prints what it does as a command line, and does it.
func (s *systemd) run(line string, do func(bus *dbus.Conn) error) {
	if s.bus == nil {
		fmt.Fprintf(s.w, "On the node: systemctl %s\n", line)
		return
	}
	fmt.Fprintf(s.w, "systemctl %s\n", line)
	if err := do(s.bus); err != nil {
		s.err = errors.Join(s.err, fmt.Errorf("systemctl %s: %w", line, err))
	}
}

func service(unit string) string { return unit + ".service" }

func (s *systemd) reload(ctx context.Context) {
	s.run("daemon-reload", func(bus *dbus.Conn) error { return bus.ReloadContext(ctx) })
}

func (s *systemd) enable(ctx context.Context, unit string) {
	s.run("enable "+unit, func(bus *dbus.Conn) error {
		_, _, err := bus.EnableUnitFilesContext(ctx, []string{service(unit)}, false, true)
		return err
	})
}

func (s *systemd) disable(ctx context.Context, unit string) {
	s.run("disable --now "+unit, func(bus *dbus.Conn) error {
		_, err := bus.DisableUnitFilesContext(ctx, []string{service(unit)}, false)
		return errors.Join(err, job(ctx, bus.StopUnitContext, unit))
	})
}

// start and restart wait for nothing: an agent is ready when containerd is.
func (s *systemd) start(ctx context.Context, unit string) {
	s.run("start --no-block "+unit, func(bus *dbus.Conn) error {
		_, err := bus.StartUnitContext(ctx, service(unit), "replace", nil)
		return err
	})
}

func (s *systemd) restart(ctx context.Context, unit string) {
	s.run("restart --no-block "+unit, func(bus *dbus.Conn) error {
		_, err := bus.RestartUnitContext(ctx, service(unit), "replace", nil)
		return err
	})
}

// upToDate reports whether the agent runs, and has since its files were written. The
// policy it reads by itself.
func (s *systemd) upToDate(ctx context.Context, unit string, plan *install.Plan) bool {
	if s.bus == nil {
		return false
	}
	u, err1 := s.bus.GetUnitPropertiesContext(ctx, service(unit))
	p, err2 := s.bus.GetUnitTypePropertiesContext(ctx, service(unit), "Service")
	started, _ := p["ExecMainStartTimestamp"].(uint64) // microseconds, as its interface says
	return err1 == nil && err2 == nil && u["ActiveState"] == "active" &&
		plan.AgentRead(time.UnixMicro(int64(started)))
}

// job has systemd do something, and waits until it is done.
func job(ctx context.Context, do func(ctx context.Context, name, mode string, ch chan<- string) (int, error), unit string) error {
	done := make(chan string, 1)
	if _, err := do(ctx, service(unit), "replace", done); err != nil {
		return err
	}
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("%s: %s, and journalctl -u %s says why", service(unit), result, unit)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", service(unit), ctx.Err())
	}
}

// running returns those of the units that are to be restarted, or why systemd cannot do
// that, before anything is changed. Of several, only those that run: a k3s server, say,
// and not an agent that is installed beside it.
func (s *systemd) running(ctx context.Context, units []string) ([]string, error) {
	var loaded, running []string
	for _, unit := range units {
		all, err := s.bus.GetUnitPropertiesContext(ctx, service(unit))
		if err != nil {
			return nil, fmt.Errorf("--restart: asking systemd for %s: %w", service(unit), err)
		}
		if all["LoadState"] == "loaded" {
			loaded = append(loaded, unit)
			if all["ActiveState"] != "inactive" {
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
	return nil, fmt.Errorf("--restart: the host has no unit %s: leave --restart out, and restart the container runtime there", strings.Join(units, ", "))
}

// startTime bounds what a restarted containerd takes until it listens: k3s starts a
// whole cluster before.
const startTime = 2 * time.Minute

// restartRuntime restarts what runs containerd and waits until that listens again.
func (s *systemd) restartRuntime(ctx context.Context, p *install.Plan, units []string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	before := p.Listening()
	for _, unit := range units {
		fmt.Fprintf(s.w, "systemctl restart %s\n", unit)
		// Or systemd leaves it stopped where it was started often of late.
		_ = s.bus.ResetFailedUnitContext(ctx, service(unit)) // starting it says what is wrong
		if err := job(ctx, s.bus.RestartUnitContext, unit); err != nil {
			return err
		}
	}
	for {
		state, up := s.active(ctx, units)
		// Where containerd listens elsewhere than is known, systemd's word has to do.
		// Another time than before need not be a later one: clocks are set back.
		if now := p.Listening(); up && (before.IsZero() || !now.IsZero() && !now.Equal(before)) {
			fmt.Fprintln(s.w, state)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen again after %s: %s", p.Runtime(), startTime, state)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// active tells each unit's state, and whether all are up.
func (s *systemd) active(ctx context.Context, units []string) (string, bool) {
	var said, states []string
	for _, unit := range units {
		state := "unknown"
		if p, err := s.bus.GetUnitPropertyContext(ctx, service(unit), "ActiveState"); err == nil {
			state, _ = p.Value.Value().(string) // as its interface says
		}
		said, states = append(said, unit+" is "+state), append(states, state)
	}
	return strings.Join(said, ", "), !slices.ContainsFunc(states, func(state string) bool { return state != "active" })
}
