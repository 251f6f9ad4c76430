// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package machines runs whole Debian machines for tests: systemd as PID 1, pure cgroup v2,
// AppArmor, a kernel of their own. They are emulated by QEMU without KVM, so that they run
// wherever QEMU does, as any machine of CI.
//
//	m, err := machines.Start(ctx, machines.Options{})      // Debian 13, from a saved state
//	defer m.Close()
//	out, err := m.Sh(ctx, "systemctl is-active containerd")
//	err = m.Copy(ctx, "bin/nodegate", "/root/nodegate")
//	err = m.Reboot(ctx)
//
// By hand: go run ./hack/machine run trixie 'systemctl status containerd'.
//
// A machine has containerd as a unit with the systemd cgroup driver, runc, the CNI plugins
// and the tests' container images; it does not have nodegate. Package realnodes has tests
// with helpers that fail the test, show console and journal then, and run the test's own
// program on the machine (machine.inside), where package node speaks to its containerd. They
// run on another system where NODEGATE_SYSTEM names one: make test-machines-all.
//
// # What it starts from
//
// A root by mmdebstrap, an image of it that is made without booting, and the saved state of
// a machine that has booted once: each in bin/machines, made when it is first needed or by
// `make machines`, and made anew when anything that it is made of changes. From a saved
// state a machine runs within seconds, booted within a minute or two. Options.Boot boots.
// Where a saved state does not load, the machine is booted, and Options.Log is told.
//
// # What reaches it
//
// Commands come through a virtio serial port (packages wire and guest). A machine has no
// network but that to a machine Beside it, nothing of it listens here, and there are no
// keys. Options.Internet gives it this machine's network by QEMU's user mode.
//
// # What is left of it
//
// Nothing: a machine writes to files without a name, and a process of its own ends the
// emulator and removes its folder when the test's process ends, killed or not.
package machines
