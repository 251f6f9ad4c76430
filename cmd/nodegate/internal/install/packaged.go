// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"os"
	"path/filepath"
)

// Where a package of the distribution has its files: its package manager's, which
// are used where they are, and neither written nor removed.
const (
	packagePrefix = "/usr/bin"
	packageUnit   = "/usr/lib/systemd/system/nodegate.service"
)

// packaged reports whether the programs of a folder are a package's.
func (t Tree) packaged(prefix string) bool {
	return prefix == packagePrefix && t.exists(packageUnit)
}

// ofPackage reports whether the programs to install are those of the host's package.
func (p *planner) ofPackage() bool {
	return p.o.From == filepath.Join(p.tree.root, packagePrefix) && p.tree.packaged(packagePrefix)
}

// from finds the folder to copy the programs from: by default that of this very program.
func (p *planner) from() error {
	if p.o.From != "" {
		p.o.From = filepath.Clean(p.o.From)
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w: name the folder of nodegate and nodegate-runc by --from", err)
	}
	p.o.From = filepath.Dir(self)
	return nil
}

// notOver keeps other programs from a package's place.
func (p *planner) notOver() error {
	if p.tree.packaged(p.next.Prefix) && !p.ofPackage() {
		return fmt.Errorf("nodegate on this node is from a package, whose programs in %s are its package manager's to replace: upgrade the package, or run nodegate uninstall and remove it first", packagePrefix)
	}
	return nil
}
