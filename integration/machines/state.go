// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"
)

// Files of a saved state: what the disk has beside the image, and the memory.
const (
	stateDisk   = "disk.qcow2"
	stateMemory = "memory.zst"
)

// restore starts a machine from the saved state, which is made where it is not there.
func (b *builder) restore(ctx context.Context, o Options, i image) (*Machine, error) {
	if o.state == "" {
		var err error
		if o.state, err = b.state(ctx, i); err != nil {
			return nil, err
		}
	}
	return start(ctx, o, i)
}

// state is the folder of the system's saved state: a machine that has booted and has done
// nothing else.
func (b *builder) state(ctx context.Context, i image) (string, error) {
	o := Options{System: b.system, Boot: true, Log: b.log}.withDefaults()
	version, err := exec.CommandContext(ctx, b.system.emulator(), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("asking the emulator for its version: %w", err)
	}
	key := digest(append(o.hardware(), i.key, i.boots, string(version))...)
	return b.cache.entry("state-"+b.system.Name, key, func(dir string) error {
		b.say("a saved state of %s", b.system.Name)
		o.disk = filepath.Join(dir, stateDisk)
		// Relative: the folder of all these may be moved or linked elsewhere.
		base := filepath.Join("..", filepath.Base(i.dir), filepath.Base(i.disk()))
		if err := output(exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, o.disk)); err != nil {
			return err
		}
		m, err := start(ctx, o, i)
		if err != nil {
			return err
		}
		return errors.Join(m.save(ctx, filepath.Join(dir, stateMemory)), m.Close())
	})
}

// save writes the machine's memory to a file. The machine does not go on: the disk is as
// it was in the moment of the save.
func (m *Machine) save(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, m.options.Patience)
	defer cancel()
	if _, err := m.Run(ctx, "sync"); err != nil {
		return err
	}
	m.disconnect()
	// A machine that is saved while it runs goes on by itself when it is restored.
	if _, err := m.monitor.do(ctx, "migrate-set-parameters", map[string]any{"max-bandwidth": 1 << 40}); err != nil {
		return err
	}
	if _, err := m.monitor.do(ctx, "migrate", map[string]any{"uri": "exec:zstd -q -1 -T2 -f -o '" + path + "'"}); err != nil {
		return err
	}
	for {
		answer, err := m.monitor.do(ctx, "query-migrate", nil)
		if err != nil {
			return err
		}
		var progress struct {
			Status string `json:"status"`
			Error  string `json:"error-desc"`
		}
		if err := json.Unmarshal(answer, &progress); err != nil {
			return fmt.Errorf("saving the machine: %w", err)
		}
		switch progress.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("saving the machine: %s %s", progress.Status, progress.Error)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("saving the machine: %w", context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
