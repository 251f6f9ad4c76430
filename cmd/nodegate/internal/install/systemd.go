// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// authLimit bounds the first words with systemd.
const authLimit = 10 * time.Second

// At is the host whose root is there.
func At(root string) Tree { return Tree{root} }

// RunsSystemd is what sd_booted(3) tests.
func (t Tree) RunsSystemd() bool {
	d, err := t.open("/run/systemd/system", nil)
	if err != nil {
		return false
	}
	d.close()
	return true
}

// Systemd connects to the host's systemd by the socket that it has for root, which works
// without a bus and from a container too.
func (t Tree) Systemd(ctx context.Context) (*dbus.Conn, error) {
	return dbus.NewConnection(func() (*godbus.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", filepath.Join(t.root, "run/systemd/private"))
		if err != nil {
			return nil, err
		}
		conn, err := godbus.NewConn(c, godbus.WithContext(ctx))
		if err != nil {
			_ = c.Close()
			return nil, err
		}
		// Auth knows no context, and a systemd that hangs says nothing.
		_ = c.SetDeadline(time.Now().Add(authLimit))
		defer func() { _ = c.SetDeadline(time.Time{}) }()
		if err := conn.Auth([]godbus.Auth{godbus.AuthExternal(strconv.Itoa(os.Geteuid()))}); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return conn, nil
	})
}
