// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package machinetest runs machines for tests.
package machinetest

import (
	"context"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/machines"
)

// endPatience bounds what a failed test still asks of its machine.
const endPatience = 5 * time.Minute

// Start starts a machine that ends with the test. What it and the emulator print, and
// where the test fails also its console and its journal, are in the test's log.
func Start(t *testing.T, o machines.Options) *machines.Machine {
	t.Helper()
	machines.Require(t, o)
	o.Log = t.Output()
	m, err := machines.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			ctx, cancel := context.WithTimeout(context.Background(), endPatience)
			defer cancel()
			journal, _ := m.Sh(ctx, "journalctl --no-pager -n 100 -u containerd -u nodegate; dmesg | tail -20") // as far as it can be had
			t.Logf("the console:\n%s\nthe journal:\n%s", m.Console(), journal)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}
