// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/nodegate/nodegate/integration/machines/wire"
)

// Files of a running machine, in its folder.
const (
	consoleFile = "console"
	qmpSocket   = "qmp"
	portSocket  = "port"
	lanSocket   = "lan"
)

func (s System) emulator() string {
	if s.Arch == "arm64" {
		return "qemu-system-aarch64"
	}
	return "qemu-system-x86_64"
}

// hardware is the machine without what differs from run to run. A saved state loads only
// into the same.
//
// TCG: /dev/kvm of a machine that is virtual itself may open and then hang. NVMe would
// need no module, and cannot be saved.
func (o Options) hardware() []string {
	args := []string{"-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg,thread=multi", "-smp", "2", "-m", fmt.Sprint(o.Memory)}
	if o.System.Arch == "arm64" {
		args = append(args, "-machine", "virt", "-cpu", "max,pauth-impdef=on")
	} else {
		args = append(args, "-machine", "q35,vmport=off,hpet=off,i8042=off", "-cpu", "max,la57=off")
	}
	return append(args,
		"-device", "virtio-blk-pci,drive=disk",
		"-device", "virtio-serial-pci", "-device", "virtserialport,chardev=port,name="+wire.PortName,
		"-device", "virtio-net-pci,netdev=lan,romfile=,mac="+lanMAC,
		"-device", "virtio-rng-pci",
		"-device", "qemu-xhci,id=xhci",
		"-serial", "chardev:console",
	)
}

// arguments are QEMU's, for a machine whose files are in dir.
func (o Options) arguments(i image, dir string) []string {
	file := func(name string) string { return filepath.Join(dir, name) }
	disk := "file=" + i.disk() + ",format=raw,snapshot=on" // written to a file without a name
	switch {
	case o.disk != "":
		disk = "file=" + o.disk + ",format=qcow2"
	case o.state != "":
		disk = "file=" + filepath.Join(o.state, stateDisk) + ",format=qcow2,snapshot=on"
	}
	lan := "stream,id=lan,server=on,addr.type=unix,addr.path=" + file(lanSocket)
	if o.Beside != nil {
		lan = "stream,id=lan,server=off,addr.type=unix,addr.path=" + filepath.Join(o.Beside.dir, lanSocket)
	}
	args := append(o.hardware(),
		"-kernel", i.kernel(), "-initrd", i.initrd(), "-append", o.commandLine(),
		"-drive", "id=disk,if=none,cache=unsafe,"+disk,
		"-netdev", lan,
		"-chardev", "socket,id=port,server=on,wait=off,path="+file(portSocket),
		"-chardev", "file,id=console,append=on,path="+file(consoleFile),
		"-action", "reboot=shutdown", // a kernel that panics at boot ends the emulator
		"-qmp", "unix:"+file(qmpSocket)+",server=on,wait=off",
	)
	if o.Internet {
		args = append(args, "-netdev", "user,id=internet", "-device", "virtio-net-pci,netdev=internet,romfile=")
	}
	if o.state != "" {
		args = append(args, "-incoming", "exec:zstd -q -d -c '"+filepath.Join(o.state, stateMemory)+"'")
	}
	return args
}

func (o Options) commandLine() string {
	console := "ttyS0"
	if o.System.Arch == "arm64" {
		console = "ttyAMA0"
	}
	args := []string{"console=" + console, "quiet", "panic=-1", "mitigations=off"}
	if o.System.SELinux {
		args = append(args, "security=selinux", "selinux=1")
	}
	return strings.Join(append(args, o.KernelArgs...), " ")
}
