// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"testing"
)

// The profile is written where there is AppArmor and a place for it, and goes with the
// rest.
func TestAppArmor(t *testing.T) {
	h := newHost(t, "")
	h.install()
	if h.tree()[AppArmorPath] != "" || h.plan().ChangesAppArmor() {
		t.Error("written on a node without AppArmor")
	}
	h.uninstall()
	h.must(os.MkdirAll(h.at(appArmorDir), 0o755))
	before := h.tree()
	h.o.AppArmor = true
	if p := h.install(); !p.ChangesAppArmor() {
		t.Error("not written")
	}
	h.read(AppArmorPath)
	if h.plan().ChangesAppArmor() {
		t.Error("written again")
	}
	h.uninstall()
	h.same(before, "installed and taken off")
}
