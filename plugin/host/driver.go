// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// Driver is what the kernel has behind a device node. /dev holds nodes of drivers that are
// not loaded, /dev/net/tun for one: systemd makes them from the list of the kernel's
// modules, so that opening one loads its module.
type Driver struct {
	Loaded bool
	Module string // of a driver that is not loaded: what the kernel loads; "" for nothing
}

// maxDrivers bounds the files that tell of drivers, in bytes.
const maxDrivers = 1 << 20

// miscMajor is the major number that small drivers share, each with a minor of its own.
const miscMajor = 10

// Driver says whether a device has a driver. It is unknown where the kernel's lists cannot
// be read.
func (h *Host) Driver(d policy.HostDevice) policy.Known[Driver] {
	loaded, err := h.driverLoaded(d)
	if err != nil {
		return policy.Known[Driver]{}
	}
	if loaded {
		return policy.Is(Driver{Loaded: true})
	}
	module, err := h.moduleOf(d)
	if err != nil {
		return policy.Known[Driver]{}
	}
	return policy.Is(Driver{Module: module})
}

func (h *Host) driverLoaded(d policy.HostDevice) (bool, error) {
	if d.Type == "c" && d.Major == miscMajor {
		// Lines of "200 tun".
		text, err := h.ReadFile("/proc/misc", maxDrivers)
		return listsNumber(text, d.Minor), err
	}
	// Sections "Character devices:" and "Block devices:" of lines as "188 ttyUSB".
	text, err := h.ReadFile("/proc/devices", maxDrivers)
	char, block, _ := bytes.Cut(text, []byte("Block devices:"))
	if d.Type == "b" {
		return listsNumber(block, d.Major), err
	}
	return listsNumber(char, d.Major), err
}

// listsNumber reports whether a line begins with the number.
func listsNumber(text []byte, number int64) bool {
	want := strconv.FormatInt(number, 10)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == want {
			return true
		}
	}
	return false
}

// moduleOf is the module that the running kernel has for a device's number, or "".
func (h *Host) moduleOf(d policy.HostDevice) (string, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", fmt.Errorf("asking for the kernel's release: %w", err)
	}
	// Lines of "tun net/tun c10:200".
	text, err := h.ReadFile("/lib/modules/"+unix.ByteSliceToString(name.Release[:])+"/modules.devname", maxDrivers)
	if absent(err) {
		return "", nil
	}
	want := fmt.Sprintf("%s%d:%d", d.Type, d.Major, d.Minor)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == want {
			return f[0], err
		}
	}
	return "", err
}
