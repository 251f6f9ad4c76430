// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tables

import _ "embed"

// machinesRan is what machines say of themselves: the tests of package realnodes write it
// with -update, and fail on a machine that it does not have.
//
//go:embed machines.txt
var machinesRan string

// Machines are the machines that the tests ran on, as the cells of a table's row each.
func Machines() []string { return lines(machinesRan) }

// MachinesSection is the section of docs/support-matrix.md that is about whole machines.
func MachinesSection() string {
	return `
## Whole machines

Emulated, with containerd as a unit: the documented installation, every built-in profile, the
recipes, troubles, upgrade, reboot, removal. On Debian 12 and under SELinux: the installation, pods
with devices and ping, removal.

| Distribution | Kernel | systemd | cgroup | Driver | Enforcing | containerd | Architecture |
|---|---|---|---|---|---|---|---|
` + rows(Machines()) + runcSentence()
}
