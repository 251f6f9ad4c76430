// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/nodegate/nodegate/config/deploy"
)

const (
	appArmorDir = "/etc/apparmor.d" // what is there is loaded at every boot
	// AppArmorPath is the AppArmor profile that mounting takes.
	AppArmorPath = appArmorDir + "/nodegate-mounts"
)

var appArmorParsers = []string{"/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"}

// appArmor plans the AppArmor profile, where the node has AppArmor and what loads it.
func (p *planner) appArmor() error {
	if !p.o.AppArmor {
		return nil
	}
	if !p.tree.exists(appArmorDir) {
		p.note("this node has AppArmor and no %s, so %q is not loaded, which nested and fuse-mount need: nodegate render apparmor prints it", appArmorDir, AppArmorPath)
		return nil
	}
	return p.own(AppArmor, AppArmorPath, deploy.AppArmor(), 0o644)
}

// ChangesAppArmor reports whether the profile is written or removed.
func (p *Plan) ChangesAppArmor() bool {
	for i := range p.Writes {
		if w := &p.Writes[i]; w.Path == AppArmorPath && w.changes() {
			return true
		}
	}
	return false
}

// AppArmorParser is the host's program that loads profiles, as the host sees it.
func (t Tree) AppArmorParser() (string, error) {
	for _, name := range appArmorParsers {
		if _, err := t.program(name); !errors.Is(err, fs.ErrNotExist) {
			return name, err
		}
	}
	return "", &fs.PathError{Op: "find", Path: strings.Join(appArmorParsers, ", "), Err: fs.ErrNotExist}
}

// ParseAppArmor has the kernel take the profile in (-r) or out (-R).
func (t Tree) ParseAppArmor(ctx context.Context, option string) error {
	cmd, err := t.command(ctx, appArmorParsers, option, AppArmorPath)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apparmor_parser %s %s: %w: %s", option, AppArmorPath, why(err), bytes.TrimSpace(out))
	}
	return nil
}
