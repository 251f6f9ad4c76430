// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/integration/node"
)

// System is a Debian that a machine runs.
type System struct {
	Name  string // of its saved state in the cache
	Suite string // Debian's name of the release
	Arch  string // Debian's name of the architecture
	// Kernel is the package of the kernel that is booted, one of Kernels.
	Kernel string
	// Kernels are the packages of all kernels that are installed: machines that differ in
	// the kernel alone start from one image.
	Kernels []string
	// Packages come beside those that every machine has, into a root that has the system's
	// name then.
	Packages []string
	// Containerd is a version of hack/pins. Default: node.DefaultContainerd.
	Containerd string
	// SELinux has the machine run with Debian's SELinux policy in the place of AppArmor,
	// permissive until something says setenforce 1, and containerd give its containers labels.
	SELinux bool
}

// Debian's kernels: the one for clouds boots in half the time, and knows no USB.
const (
	cloudKernel = "linux-image-cloud-amd64"
	fullKernel  = "linux-image-amd64"
)

// The systems that tests run.
var (
	// Trixie is Debian 13 with kernel 6.12.
	Trixie = System{Name: "trixie", Suite: "trixie", Arch: "amd64", Kernel: cloudKernel, Kernels: []string{cloudKernel, fullKernel}}
	// Bookworm is Debian 12 with kernel 6.1.
	Bookworm = System{Name: "bookworm", Suite: "bookworm", Arch: "amd64", Kernel: cloudKernel, Kernels: []string{cloudKernel}}
	// TrixieUSB is Debian 13 with the kernel that has drivers for USB.
	TrixieUSB = System{Name: "trixie-usb", Suite: "trixie", Arch: "amd64", Kernel: fullKernel, Kernels: []string{cloudKernel, fullKernel}}
)

// Systems that no test of make test runs: see make test-machines-all and package suites.
var (
	// TrixieSELinux is Trixie with Debian's SELinux policy.
	TrixieSELinux = System{Name: "trixie-selinux", Suite: "trixie", Arch: "amd64", Kernel: cloudKernel, Kernels: []string{cloudKernel}, SELinux: true,
		Packages: []string{"policycoreutils", "selinux-policy-default", "selinux-utils"}}
	// Suites is Trixie with what runc's own tests call.
	Suites = System{Name: "trixie-suites", Suite: "trixie", Arch: "amd64", Kernel: cloudKernel, Kernels: []string{cloudKernel},
		Packages: []string{"attr", "bats", "busybox-static", "gcc", "jq", "libc6-dev"}}
)

// Systems are all of them, the one that most tests run first.
func Systems() []System { return []System{Trixie, Bookworm, TrixieUSB, TrixieSELinux, Suites} }

// SystemNamed finds one by its name.
func SystemNamed(name string) (System, error) {
	var names []string
	for _, s := range Systems() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return System{}, fmt.Errorf("no system is named %q: use one of %s", name, strings.Join(names, ", "))
}

// base names what systems of one release and one containerd have in common.
func (s System) base() string {
	if len(s.Packages) > 0 {
		return s.Name
	}
	name := s.Suite
	if s.Arch != "amd64" {
		name += "-" + s.Arch
	}
	if s.Containerd != "" {
		name += "-containerd-" + s.Containerd
	}
	return name
}

// packages are what the root is made of, beside Debian's minimal system.
func (s System) packages() []string {
	all := append([]string{
		"systemd-sysv", "udev", "dbus", // a system
		"systemd-container",                // a node in a container of its own
		"apparmor",                         // containerd's default profile is loaded by its parser
		"iproute2", "nftables", "iptables", // the pods' network
		"kmod", "procps", "ca-certificates",
	}, s.Kernels...)
	all = append(all, s.Packages...)
	slices.Sort(all)
	return all
}

// containerd is the version that the machine runs.
func (s System) containerd() string {
	if s.Containerd != "" {
		return s.Containerd
	}
	return node.DefaultContainerd
}

// root names what systems with the same packages have in common.
func (s System) root() string {
	if len(s.Packages) > 0 {
		return s.Name
	}
	return s.Suite + "-" + s.Arch
}
