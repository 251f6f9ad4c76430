// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"
)

// monitor is QEMU's control socket: one command at a time.
type monitor struct {
	mu     sync.Mutex
	conn   net.Conn
	in     *bufio.Reader
	events map[string]int // how often each was seen
}

func dialMonitor(ctx context.Context, path string) (*monitor, error) {
	conn, err := dialUnix(ctx, path)
	if err != nil {
		return nil, err
	}
	m := &monitor{conn: conn, in: bufio.NewReader(conn), events: map[string]int{}}
	if _, err := m.read(ctx); err != nil { // what QEMU is
		conn.Close()
		return nil, err
	}
	if _, err := m.do(ctx, "qmp_capabilities", nil); err != nil {
		conn.Close()
		return nil, err
	}
	return m, nil
}

// dialUnix waits until there is a socket that answers.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "unix", path)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connecting with the emulator: %w (%w)", context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

type reply struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

func (m *monitor) read(ctx context.Context) (reply, error) {
	deadline, _ := ctx.Deadline()
	if err := m.conn.SetReadDeadline(deadline); err != nil {
		return reply{}, err
	}
	line, err := m.in.ReadBytes('\n')
	if err != nil {
		return reply{}, fmt.Errorf("reading from the emulator: %w", err)
	}
	var r reply
	if err := json.Unmarshal(line, &r); err != nil {
		return reply{}, fmt.Errorf("reading from the emulator: %w", err)
	}
	return r, nil
}

// do runs a command and returns its result; events in between are counted.
func (m *monitor) do(ctx context.Context, command string, arguments any) (json.RawMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	if _, err := m.conn.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("telling the emulator %q: %w", command, err)
	}
	for {
		r, err := m.read(ctx)
		switch {
		case err != nil:
			return nil, err
		case r.Error != nil:
			return nil, fmt.Errorf("telling the emulator %q: %s", command, r.Error.Desc)
		case r.Return != nil:
			return r.Return, nil
		case r.Event != "":
			m.events[r.Event]++
		}
	}
}

// count is how often an event has been seen so far.
func (m *monitor) count(event string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events[event]
}

// wait waits until an event was seen more often than before.
func (m *monitor) wait(ctx context.Context, event string, before int) error {
	for m.count(event) <= before {
		if _, err := m.do(ctx, "query-status", nil); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the emulator's event %s: %w", event, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}
