// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machinetest

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/hack/tables"
	"github.com/nodegate/nodegate/integration/machines"
)

// Update reports whether a test is to write what it sees to hack/tables.
func Update() bool { return *update }

var update = flag.Bool("update", false, "write what is seen to hack/tables, and then go test ./docs -update")

// facts prints what the machine is: a cell of tables.MachinesSection each.
const facts = `set -e
. /etc/os-release
echo "${NAME%% *} $VERSION_ID"
uname -r | cut -d . -f 1,2
systemctl --version | sed -n 's/^systemd \([0-9]*\).*/\1/p'
stat -fc %T /sys/fs/cgroup | sed 's/cgroup2fs/v2/'
grep -q 'SystemdCgroup = true' /etc/containerd/config.toml && echo systemd
if grep -q '(enforce)$' /sys/kernel/security/apparmor/profiles 2>/dev/null; then echo AppArmor; else grep -q 1 /sys/fs/selinux/enforce && echo SELinux; fi
containerd --version | sed 's/.* v*\([0-9][0-9.]*\) .*/\1/'
dpkg --print-architecture`

// The cells that tell machines apart: the others are versions.
const (
	distributionCell = 0
	enforcingCell    = 5
	architectureCell = 7
)

// Documented sees that the support matrix has the machine, or writes that it has. A pod has
// run: containerd loads its AppArmor profile for the first one.
func Documented(t *testing.T, m *machines.Machine) {
	t.Helper()
	out, err := m.Sh(t.Context(), facts)
	if err != nil {
		t.Fatalf("asking the machine what it is: %v\n%s", err, out)
	}
	is := strings.ReplaceAll(strings.TrimSpace(out), "\n", " | ")
	rows := tables.Machines()
	if slices.Contains(rows, is) {
		return
	}
	if !*update {
		t.Errorf("hack/tables/machines.txt does not have this machine: run this test with -update: %s", is)
		return
	}
	rows = slices.DeleteFunc(rows, func(row string) bool { return kind(row) == kind(is) })
	rows = append(rows, is)
	slices.Sort(rows)
	if err := os.WriteFile("../../hack/tables/machines.txt", []byte(strings.Join(rows, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// kind is what a row says of a machine without its versions.
func kind(row string) [3]string {
	cells := strings.Split(row, " | ")
	return [3]string{cells[distributionCell], cells[enforcingCell], cells[architectureCell]}
}
