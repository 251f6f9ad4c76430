// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// DefaultPatience is how long a machine may take to boot: it takes 40 s where nothing
// else runs, and several times that beside compilers.
const DefaultPatience = 6 * time.Minute

// Machine is a Debian that runs. Its methods may be called from several goroutines.
type Machine struct {
	options  Options
	image    image
	dir      string // for its sockets and its console
	emulator *emulator
	monitor  *monitor
	restored bool

	mu      sync.Mutex
	session *session
	serial  map[string]bool // USB adapters, by id
}

// Start starts a machine and returns it when systemd says that it is running. What it
// starts from is made where it is not there. A machine that was started has to be closed;
// one that was not started left nothing behind.
func Start(ctx context.Context, o Options) (*Machine, error) {
	o = o.withDefaults()
	b, err := newBuilder(o.System, o.Log)
	if err != nil {
		return nil, fmt.Errorf("starting a machine: %w", err)
	}
	i, err := b.image(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting a machine: %w", err)
	}
	if !o.Boot {
		m, err := b.restore(ctx, o, i)
		if err == nil || ctx.Err() != nil {
			return m, err
		}
		b.say("%s is booted, since its saved state does not load: %v", o.System.Name, err)
		o.state = ""
	}
	return start(ctx, o, i)
}

// ErrPanic is a kernel's that stopped.
var ErrPanic = errors.New("the kernel panicked")

// start starts a machine, and once more where its kernel panics: code that a kernel changes
// as it boots is seldom, but at times, run half changed by an emulator of two processors.
func start(ctx context.Context, o Options, i image) (*Machine, error) {
	m, err := startOnce(ctx, o, i)
	if !errors.Is(err, ErrPanic) {
		return m, err
	}
	fmt.Fprintf(o.Log, "machines: %s is started once more: %v\n", o.System.Name, err)
	return startOnce(ctx, o, i)
}

// startOnce runs the emulator and waits for the system.
func startOnce(ctx context.Context, o Options, i image) (*Machine, error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "nodegate-machine-")
	if err != nil {
		return nil, fmt.Errorf("making the machine's folder: %w", err)
	}
	m := &Machine{options: o, image: i, dir: dir, restored: o.state != "", serial: map[string]bool{}}
	if m.emulator, err = startEmulator(dir, o.System.emulator(), o.arguments(i, dir)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := m.comeUp(ctx); err != nil {
		console := m.Console()
		if panicked(console) {
			err = fmt.Errorf("%w: %w", ErrPanic, err)
		}
		return nil, errors.Join(fmt.Errorf("starting a machine: %w; its console:\n%s", err, lastLines(console, 40)), m.Close())
	}
	fmt.Fprintf(o.Log, "machines: %s is running after %.1f s (restored: %v)\n", o.System.Name, time.Since(began).Seconds(), m.restored)
	return m, nil
}

// comeUp waits for what answers: the emulator, the port, systemd.
func (m *Machine) comeUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, m.options.Patience, fmt.Errorf("not up after %v", m.options.Patience))
	defer cancel()
	// An emulator that ends is not waited for.
	ctx, ended := context.WithCancelCause(ctx)
	defer ended(nil)
	go func() {
		select {
		case <-m.emulator.done:
			ended(fmt.Errorf("the emulator ended: %s", m.emulator.said()))
		case <-ctx.Done():
		}
	}()
	var err error
	if m.monitor, err = dialMonitor(ctx, filepath.Join(m.dir, qmpSocket)); err != nil {
		return m.why(ctx, err)
	}
	if err := m.connect(ctx); err != nil {
		return m.why(ctx, err)
	}
	if m.restored {
		if err := m.SetClock(ctx, time.Now()); err != nil {
			return m.why(ctx, err)
		}
	}
	if err := m.waitRunning(ctx); err != nil {
		return m.why(ctx, err)
	}
	_, err = m.monitor.do(ctx, "set-action", map[string]any{"reboot": "reset"})
	return err
}

// why is the cause that a context ended for, where that is what an error comes from.
func (m *Machine) why(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// waitRunning waits until systemd has started everything.
func (m *Machine) waitRunning(ctx context.Context) error {
	// An error comes with a state other than "running".
	state, err := m.Run(ctx, "systemctl", "is-system-running", "--wait")
	if strings.TrimSpace(state) == "running" {
		return nil
	}
	failed, _ := m.Run(ctx, "systemctl", "--failed", "--no-legend", "--plain")
	return fmt.Errorf("systemd says %q: %w\n%s", strings.TrimSpace(state), err, failed)
}

// SetClock sets the machine's clock.
func (m *Machine) SetClock(ctx context.Context, t time.Time) error {
	_, err := m.Run(ctx, "date", "--utc", "--set", fmt.Sprintf("@%d.%09d", t.Unix(), t.Nanosecond()))
	return err
}

// Restored reports whether the machine comes from a saved state; it was booted otherwise.
func (m *Machine) Restored() bool { return m.restored }

// Console is what the kernel and systemd have written to the machine's console.
func (m *Machine) Console() string {
	content, _ := os.ReadFile(filepath.Join(m.dir, consoleFile)) // none yet: nothing was written
	return string(content)
}

func panicked(console string) bool { return strings.Contains(console, "Kernel panic - not syncing") }

// whileAlive is a context that ends where the kernel panics: nothing answers then.
func (m *Machine) whileAlive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for !panicked(m.Console()) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
		}
		cancel(fmt.Errorf("%w; its console:\n%s", ErrPanic, lastLines(m.Console(), 40)))
	}()
	return ctx, func() { cancel(nil) }
}

// Reboot has systemd reboot the machine and returns when it is running again. All
// programs that Run started have ended then.
func (m *Machine) Reboot(ctx context.Context) error {
	return m.again(ctx, func(ctx context.Context) error {
		_, err := m.Run(ctx, "systemctl", "reboot", "--no-block")
		return err
	})
}

// PowerCut takes the machine's power and gives it back. What the machine's kernel had not
// yet written to its disk is lost.
func (m *Machine) PowerCut(ctx context.Context) error {
	return m.again(ctx, func(ctx context.Context) error {
		_, err := m.monitor.do(ctx, "system_reset", nil)
		return err
	})
}

func (m *Machine) again(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, m.options.Patience, fmt.Errorf("not up after %v", m.options.Patience))
	defer cancel()
	before := m.monitor.count("RESET")
	if err := do(ctx); err != nil {
		return fmt.Errorf("restarting the machine: %w", err)
	}
	if err := m.monitor.wait(ctx, "RESET", before); err != nil {
		return fmt.Errorf("restarting the machine: %w; its console:\n%s", m.why(ctx, err), lastLines(m.Console(), 40))
	}
	m.disconnect()
	err := m.connect(ctx)
	if err == nil {
		err = m.waitRunning(ctx)
	}
	if err != nil {
		return fmt.Errorf("restarting the machine: %w; its console:\n%s", m.why(ctx, err), lastLines(m.Console(), 40))
	}
	return nil
}

// Close ends the machine as a power cut does, and removes all that it left.
func (m *Machine) Close() error {
	m.disconnect()
	if m.monitor != nil {
		m.monitor.conn.Close()
	}
	return m.emulator.end()
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
