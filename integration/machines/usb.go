// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// PlugSerial plugs a USB serial adapter with an FTDI chip (0403:6001) into a port of the
// machine, 1 to 4. The id is its serial number too, and names it to UnplugSerial. What is
// written to the connection comes out of the adapter's device, and the other way round;
// it is there whether the connection is open or not. Only TrixieUSB has the driver.
func (m *Machine) PlugSerial(ctx context.Context, id string, port int) (net.Conn, error) {
	socket := filepath.Join(m.dir, "usb-"+id)
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("plugging serial adapter %q: %w", id, err)
	}
	_, err := m.monitor.do(ctx, "chardev-add", map[string]any{"id": "usb-" + id, "backend": map[string]any{"type": "socket", "data": map[string]any{
		"addr": map[string]any{"type": "unix", "data": map[string]any{"path": socket}}, "server": true, "wait": false}}})
	if err != nil {
		return nil, fmt.Errorf("plugging serial adapter %q: %w", id, err)
	}
	if _, err := m.monitor.do(ctx, "device_add", map[string]any{"driver": "usb-serial", "id": id, "chardev": "usb-" + id,
		"bus": "xhci.0", "port": fmt.Sprint(port), "serial": id, "always-plugged": true}); err != nil {
		return nil, fmt.Errorf("plugging serial adapter %q: %w", id, err)
	}
	return dialUnix(ctx, socket)
}

// UnplugSerial takes an adapter away and returns when the machine's port is empty. The
// machine's kernel notices by itself.
func (m *Machine) UnplugSerial(ctx context.Context, id string) error {
	before := m.monitor.count("DEVICE_DELETED")
	if _, err := m.monitor.do(ctx, "device_del", map[string]any{"id": id}); err != nil {
		return fmt.Errorf("unplugging serial adapter %q: %w", id, err)
	}
	if err := m.monitor.wait(ctx, "DEVICE_DELETED", before); err != nil {
		return fmt.Errorf("unplugging serial adapter %q: %w", id, err)
	}
	if _, err := m.monitor.do(ctx, "chardev-remove", map[string]any{"id": "usb-" + id}); err != nil {
		return fmt.Errorf("unplugging serial adapter %q: %w", id, err)
	}
	return nil
}
