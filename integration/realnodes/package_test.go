// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// packageFiles lists what a package or an installation may leave something in: names,
// types, modes, owners, sizes. Left out is what the reboot and the stand-in for the kubelet
// change.
const packageFiles = `for root in /etc /usr /opt /var/lib/nodegate /run/nodegate /dev/.udev; do
	[ ! -e "$root" ] || find "$root" ! -type d -not -name kubelet.service -printf '%p %y %m %U:%G %l %s\n'
done; md5sum /etc/containerd/*.toml`

// built is the deb of make deb.
func built(t *testing.T) string {
	t.Helper()
	bin, err := node.BinDir()
	it.Must(t, err)
	debs, err := filepath.Glob(filepath.Join(bin, "deb", "nodegate_*.deb"))
	it.Must(t, err)
	if len(debs) != 1 {
		t.Fatalf("run make deb: bin/deb has %q", debs)
	}
	return debs[0]
}

// nextVersion makes a later version of a deb: another program, and the same policy.
func nextVersion(t *testing.T, deb string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "next")
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("dpkg-deb", args...).CombinedOutput(); err != nil {
			t.Fatalf("dpkg-deb %q: %v: %s", args, err, out)
		}
	}
	run("-R", deb, dir)
	control, err := os.ReadFile(dir + "/DEBIAN/control")
	it.Must(t, err)
	it.Must(t, os.WriteFile(dir+"/DEBIAN/control", bytes.Replace(control, []byte("\nVersion: "), []byte("\nVersion: 9:"), 1), 0o644))
	program, err := os.ReadFile(dir + "/usr/bin/nodegate")
	it.Must(t, err)
	it.Must(t, os.WriteFile(dir+"/usr/bin/nodegate", append(program, '\n'), 0o755))
	run("-Zgzip", "-z1", "--root-owner-group", "-b", dir, dir+".deb")
	return dir + ".deb"
}

// dpkg puts a package on the machine and has it installed.
func (m *machine) dpkg(deb string) {
	m.Helper()
	const path = "/root/nodegate.deb"
	it.Must(m.T, m.Copy(m.Context(), deb, path))
	m.sh("dpkg -i " + path + " && rm " + path)
}

// installPackage installs the package, which starts nothing, and then nodegate as
// docs/install.md says. It returns what was there before.
func (m *machine) installPackage() map[string]bool {
	m.Helper()
	before := m.packageFiles()
	state := m.processes()
	m.dpkg(built(m.T))
	if now := m.processes(); now != state {
		m.Errorf("the package started or restarted something: %s, and before %s", now, state)
	}
	if enabled := m.sh("systemctl is-enabled nodegate || true"); enabled != "disabled" {
		m.Errorf("the package's unit is %s", enabled)
	}
	m.installBy("nodegate")
	if agent := m.sh("readlink /proc/$(systemctl show nodegate -p MainPID --value)/exe; ls /usr/local/bin | grep nodegate || true"); agent != "/usr/bin/nodegate" {
		m.Errorf("not the package's own program, or copies of it: %s", agent)
	}
	return before
}

// processes are those of the node's units.
func (m *machine) processes() string {
	m.Helper()
	return m.sh("systemctl show containerd nodegate -p MainPID --value | paste -sd ' '")
}

// packageFiles are the machine's files as lines.
func (m *machine) packageFiles() map[string]bool {
	m.Helper()
	out, err := m.Sh(m.Context(), packageFiles)
	it.Must(m.T, err)
	all := map[string]bool{}
	for line := range strings.Lines(out) {
		all[line] = true
	}
	return all
}

// upgradePackage upgrades in place: the edited policy stays, and the former agent goes on
// until it is restarted.
func (m *machine) upgradePackage() {
	m.Helper()
	state := m.processes()
	m.dpkg(nextVersion(m.T, built(m.T)))
	if now := m.processes(); now != state {
		m.Errorf("the upgrade restarted something: %s, and before %s", now, state)
	}
	if now := m.sh("cat /etc/nodegate/config.toml; ls /etc/nodegate"); now != strings.TrimSpace(policy)+"\nconfig.toml\nrunc.toml" {
		m.Errorf("the policy after the upgrade: %s", now)
	}
	m.sh("systemctl restart nodegate && nodegate status --strict && cmp /proc/$(systemctl show nodegate -p MainPID --value)/exe /usr/bin/nodegate")
	if said := m.sh("nodegate install"); !strings.HasPrefix(said, "nothing to do") {
		m.Errorf("installed again: %s", said)
	}
}

// purgePackage sees that the package does not go while containerd's configuration names its
// wrapper, and that nothing is left of it then.
func (m *machine) purgePackage(before map[string]bool) {
	m.Helper()
	if said, err := m.try("dpkg --purge nodegate 2>&1"); err == nil || !strings.Contains(err.Error()+said, "run nodegate uninstall --restart before") {
		m.Errorf("purged while it is in use: %s, %v", said, err)
	}
	m.sh("systemctl is-active nodegate && nodegate uninstall --restart && dpkg --purge nodegate")
	if left := changes(before, m.packageFiles()); len(left) > 0 {
		m.Errorf("the package and the installation changed the machine:\n%s", strings.Join(left, "\n"))
	}
	m.becomes("systemctl is-active containerd", "active")
}
