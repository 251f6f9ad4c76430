// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package realnodes shows that nodegate does what it says on real nodes: Debian machines
// with systemd, pure cgroup v2 and AppArmor, which are rebooted too.
package realnodes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/machines/machinetest"
	"github.com/nodegate/nodegate/integration/node"
)

// limit bounds a wait for something that takes seconds on an idle machine: here it is
// emulated, beside whatever else runs.
const limit = 5 * time.Minute

// Where a machine has what a test brings.
const (
	programs = "/root/nodegate" // as an administrator unpacks a release
	tests    = "/root/tests"    // this program and what it needs
)

// machine is a machine as one test sees it: what goes wrong fails the test.
type machine struct {
	*testing.T
	*machines.Machine
}

// systemEnv names the system of the machines, where it is not the one that make test has.
const systemEnv = "NODEGATE_SYSTEM"

// start starts a machine that ends with the test. It has nodegate's programs, not
// installed.
func start(t *testing.T, o machines.Options) *machine {
	t.Helper()
	if name := os.Getenv(systemEnv); name != "" && o.System.Name == "" {
		var err error
		o.System, err = machines.SystemNamed(name)
		it.Must(t, err)
	}
	began := time.Now()
	here := &machine{t, machinetest.Start(t, o)}
	bin, err := node.BinDir()
	it.Must(t, err)
	for _, name := range []string{"nodegate", "nodegate-runc"} {
		it.Must(t, here.Copy(t.Context(), filepath.Join(bin, name), programs+"/"+name))
	}
	t.Logf("the machine is ready after %.1f s", time.Since(began).Seconds())
	return here
}

// in is the machine as a subtest sees it.
func (m *machine) in(t *testing.T) *machine { return &machine{t, m.Machine} }

// sh runs a line of the shell on the machine, which has to end well.
func (m *machine) sh(line string) string {
	m.Helper()
	out, err := m.try(line)
	if err != nil {
		m.Fatal(err)
	}
	return out
}

// try is sh for a line that may fail.
func (m *machine) try(line string) (string, error) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), limit)
	defer cancel()
	began := time.Now()
	out, err := m.Sh(ctx, line)
	m.Logf("# %s    (%.1f s)\n%s", line, time.Since(began).Seconds(), out)
	return strings.TrimSpace(out), err
}

// becomes waits until a line prints something.
func (m *machine) becomes(line, want string) {
	m.Helper()
	got := ""
	for until := time.Now().Add(limit); time.Now().Before(until); {
		began := time.Now()
		out, _ := m.Sh(m.Context(), line) // it may fail until it does not
		if got = strings.TrimSpace(out); got == want {
			return
		}
		time.Sleep(300*time.Millisecond + time.Since(began)) // what asks takes no more than half of the machine
	}
	m.Fatalf("%s: %s, want %s", line, got, want)
}

// write writes a file of the machine.
func (m *machine) write(path, content string) {
	m.Helper()
	it.Must(m.T, m.Write(m.Context(), path, 0o644, strings.NewReader(content)))
}

// nothingLeft sees that no shadow node and no record is there without its container.
func (m *machine) nothingLeft() {
	m.Helper()
	if left := m.sh("find /run/nodegate/decisions /dev/.udev/nodegate -mindepth 1 2>/dev/null || true"); left != "" {
		m.Errorf("left behind: %s", left)
	}
}

// inside runs a part of the test's inner half on the machine: this very program, with the
// name of the test.
func (m *machine) inside(part string) {
	m.Helper()
	if err := m.runInside(part); err != nil {
		m.Error(err)
	}
}

// insideTime bounds a part; one that does not end itself then is given up soon after.
const insideTime = 40 * time.Minute

func (m *machine) runInside(part string) error {
	m.Helper()
	m.bring()
	name, _, _ := strings.Cut(m.Name(), "/")
	out := &lines{t: m.T}
	defer out.flush()
	ctx, cancel := context.WithTimeout(m.Context(), insideTime+limit)
	defer cancel()
	err := m.Stream(ctx, out, []string{"NODEGATE_INSIDE=" + part, node.BinDirEnv + "=" + tests, node.RequireEnv + "=1"},
		tests+"/test", "-test.run=^"+name+"$", "-test.v", "-test.timeout="+insideTime.String())
	if err != nil {
		return fmt.Errorf("part %q on the machine failed: %w", part, err)
	}
	return nil
}

// bring puts this program on the machine, once.
func (m *machine) bring() {
	m.Helper()
	if _, err := m.Sh(m.Context(), "test -e "+tests+"/test"); err == nil {
		return
	}
	program, err := os.Executable()
	it.Must(m.T, err)
	bin, err := node.BinDir()
	it.Must(m.T, err)
	began := time.Now()
	it.Must(m.T, m.Copy(m.Context(), program, tests+"/test"))
	it.Must(m.T, m.Copy(m.Context(), filepath.Join(bin, "probe"), tests+"/probe"))
	m.Logf("the test is on the machine after %.1f s", time.Since(began).Seconds())
}

// lines logs what is written to it, by lines.
type lines struct {
	t    *testing.T
	rest string
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest += string(p)
	for {
		line, rest, found := strings.Cut(l.rest, "\n")
		if !found {
			return len(p), nil
		}
		l.t.Log("| " + line)
		l.rest = rest
	}
}

func (l *lines) flush() {
	if l.rest != "" {
		l.t.Log("| " + l.rest)
	}
}
