// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// Finding is one line of nodegate doctor.
type Finding struct{ Check, Subject, Status, Found, Remedy string }

// Diagnosis is what nodegate doctor says of a node: its exit code, and the findings by
// check and subject.
type Diagnosis struct {
	Exit     int
	Findings map[string]Finding
}

// Doctor runs nodegate doctor where containerd runs, as an administrator would, and sees
// that it leaves nothing behind.
func Doctor(t *testing.T, g *Gate, args ...string) Diagnosis {
	t.Helper()
	args = append([]string{"doctor", "-o", "json", "--config", g.Config, "--runtime-endpoint", "unix://" + g.Node.CRISocket()}, args...)
	before := g.Left()
	d := Diagnose(t, g.Node.Command(g.Binary, args...))
	if after := g.Left(); len(after) != len(before) {
		t.Errorf("left behind: %q", after)
	}
	return d
}

// Diagnose runs a command line of nodegate doctor with -o json.
func Diagnose(t *testing.T, cmd *exec.Cmd) Diagnosis {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	d := Diagnosis{Findings: map[string]Finding{}}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		d.Exit = exit.ExitCode()
	} else {
		Must(t, err)
	}
	var report struct {
		Version  int
		Status   string
		Findings []Finding
	}
	if err := json.Unmarshal(out, &report); err != nil || report.Version != 1 {
		t.Fatalf("%v: %s%s", err, out, &stderr)
	}
	if (d.Exit == 1) != (report.Status == "problem") {
		t.Errorf("status %q, and exit code %d", report.Status, d.Exit)
	}
	for _, f := range report.Findings {
		d.Findings[strings.TrimSpace(f.Check+" "+f.Subject)] = f
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s%s", out, &stderr)
		}
	})
	return d
}

// Said is a finding's title, its status and what it says in part.
type Said [3]string

// Expect compares some of the findings.
func (d Diagnosis) Expect(t *testing.T, all ...Said) {
	t.Helper()
	for _, want := range all {
		if f, ok := d.Findings[want[0]]; !ok || f.Status != want[1] || !strings.Contains(f.Found, want[2]) {
			t.Errorf("%s: %+v, want %s: %s", want[0], f, want[1], want[2])
		}
	}
}
