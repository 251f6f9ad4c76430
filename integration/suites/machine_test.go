// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/machines/machinetest"
)

// limit bounds a command on a machine.
const limit = 20 * time.Minute

// machine is a machine as a test sees it: what goes wrong fails the test.
type machine struct {
	*testing.T
	*machines.Machine
}

// start starts a machine that ends with the test.
func start(t *testing.T, o machines.Options) *machine {
	t.Helper()
	o.Patience = 15 * time.Minute
	return &machine{t, machinetest.Start(t, o)}
}

// sh runs a line of the shell on the machine, which has to end well, with an input.
func (m *machine) sh(line, input string) string {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), limit)
	defer cancel()
	it.Must(m.T, m.Write(ctx, "/root/input", 0o600, strings.NewReader(input)))
	out, err := m.Sh(ctx, "( "+line+" ) </root/input")
	if err != nil {
		m.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// unpack copies a folder to the machine.
func (m *machine) unpack(from, to string) {
	m.Helper()
	archive := filepath.Join(m.TempDir(), "archive")
	out, err := exec.CommandContext(m.Context(), "tar", "-C", from, "-cf", archive, ".").CombinedOutput()
	if err != nil {
		m.Fatalf("packing %s: %v\n%s", from, err, out)
	}
	it.Must(m.T, m.Copy(m.Context(), archive, "/root/archive"))
	m.sh("mkdir -p "+to+" && tar -C "+to+" -xf /root/archive && chmod -R u+w "+to, "")
}
