// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"strings"
	"testing"
	"time"
)

// newPackagedHost makes a host with nodegate from a package, and installs from there.
func newPackagedHost(t *testing.T) *host {
	t.Helper()
	h := newHost(t, "")
	h.write(h.config, commented)
	for _, name := range []string{"nodegate", "nodegate-runc"} {
		h.write(packagePrefix+"/"+name, "\x7fELF packaged "+name)
		h.must(os.Chmod(h.at(packagePrefix+"/"+name), 0o755))
	}
	h.write(packageUnit, string(unit(packagePrefix)))
	h.write(policyPath, "version = 1 # the package's\n")
	h.o.From = h.at(packagePrefix)
	return h
}

// What a package has put on the node is used where it is, through upgrades, and stays when
// the rest is taken off.
func TestPackaged(t *testing.T) {
	h := newPackagedHost(t)
	before := h.tree()
	p := h.install()
	h.again()
	for name, was := range before {
		if now := h.tree()[name]; now != was && name != h.config && !strings.HasPrefix(was, "d") {
			t.Errorf("%s was %q and is %q", name, was, now)
		}
	}
	for _, name := range []string{unitPath, defaultPrefix + "/nodegate"} {
		if (Tree{h.root}).exists(name) {
			t.Errorf("there is %s", name)
		}
	}
	if text := h.read(h.config); !strings.Contains(text, `BinaryName = "/usr/bin/nodegate-runc"`) {
		t.Error(text)
	}
	for since, want := range map[time.Duration]bool{0: true, -time.Hour: false, time.Hour: false} {
		if got := p.AgentRead(time.Now().Add(since)); got != want {
			t.Errorf("an agent that started %s from now has read its files: %v", since, got)
		}
	}

	h.write(packagePrefix+"/nodegate", "\x7fELF upgraded")
	after := h.tree()
	h.again()
	r, err := h.removal(true)
	h.must(err)
	if !r.Unit {
		t.Error("the package's agent is not disabled")
	}
	delete(before, policyPath) // --purge
	delete(before, "/etc/nodegate")
	before[packagePrefix+"/nodegate"] = after[packagePrefix+"/nodegate"]
	h.same(before, "uninstalled")
}

// Other programs do not take the place of a package's.
func TestPackagedBesideOthers(t *testing.T) {
	h := newPackagedHost(t)
	h.install()
	h.o.From = t.TempDir()
	for _, name := range []string{"nodegate", "nodegate-runc"} {
		h.must(os.WriteFile(h.o.From+"/"+name, []byte("\x7fELF other "+name), 0o755))
	}
	if _, err := NewPlan(t.Context(), h.o); err == nil || !strings.Contains(err.Error(), "nodegate on this node is from a package") {
		t.Errorf("got %v", err)
	}
	// Its agent is not that of a pod's installation.
	if r, err := NewRemoval(RemovalOptions{Root: h.root, NoAgent: true}); err != nil || r.Unit || len(r.Notes) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	h.uninstall()

	// Before the package's own is used, programs of a folder go where they always did.
	h.install()
	if text := h.read(unitPath); !strings.Contains(text, "ExecStart=/usr/local/bin/nodegate run\n") {
		t.Error(text)
	}
	h.uninstall()
}
