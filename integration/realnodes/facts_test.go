// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"flag"
	"os"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/hack/tables"
	"github.com/nodegate/nodegate/integration/internal/it"
)

var update = flag.Bool("update", false, "write what the machine is to hack/tables/machines.txt, and then go test ./docs -update")

// facts prints what the machine is: a cell of tables.MachinesSection each.
const facts = `set -e
. /etc/os-release
echo "${NAME%% *} $VERSION_ID"
uname -r | cut -d . -f 1,2
systemctl --version | sed -n 's/^systemd \([0-9]*\).*/\1/p'
stat -fc %T /sys/fs/cgroup | sed 's/cgroup2fs/v2/'
grep -q 'SystemdCgroup = true' /etc/containerd/config.toml && echo systemd
grep -q '(enforce)$' /sys/kernel/security/apparmor/profiles && echo AppArmor
containerd --version | sed 's/.* v*\([0-9][0-9.]*\) .*/\1/'
dpkg --print-architecture`

// documented sees that the support matrix has the machine, or writes that it has. A pod has
// run: containerd loads its AppArmor profile for the first one.
func (m *machine) documented() {
	m.Helper()
	is := strings.ReplaceAll(m.sh(facts), "\n", " | ")
	rows := tables.Machines()
	if slices.Contains(rows, is) {
		return
	}
	if !*update {
		m.Errorf("hack/tables/machines.txt does not have this machine: run this test with -update: %s", is)
		return
	}
	distribution, _, _ := strings.Cut(is, " | ")
	rows = slices.DeleteFunc(rows, func(row string) bool { return strings.HasPrefix(row, distribution+" | ") })
	rows = append(rows, is)
	slices.Sort(rows)
	it.Must(m.T, os.WriteFile("../../hack/tables/machines.txt", []byte(strings.Join(rows, "\n")+"\n"), 0o644))
}
