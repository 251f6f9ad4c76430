// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
)

// devices are the two device nodes of the demo, with the profile that gives
// each. Where this machine lacks one, another takes its place and is named.
type devices struct {
	list  []device
	notes []string
}

type device struct {
	path, profile string
	builtin       bool
}

func newDevices() devices {
	var d devices
	spare := []device{{"/dev/net/tun", "tun", true}, {"/dev/loop-control", "loop", false}, {"/dev/hwrng", "hwrng", false}, {"/dev/kmsg", "kmsg", false}}
	for _, want := range []device{{"/dev/kvm", "kvm", true}, {"/dev/fuse", "fuse", true}} {
		if exists(want.path) {
			d.list = append(d.list, want)
			continue
		}
		for len(spare) > 0 && !exists(spare[0].path) {
			spare = spare[1:]
		}
		if len(spare) == 0 {
			d.notes = append(d.notes, fmt.Sprintf("this machine has no %s, and nothing to take its place", want.path))
			continue
		}
		d.notes = append(d.notes, fmt.Sprintf("this machine has no %s: showing %s in its place", want.path, spare[0].path))
		d.list = append(d.list, spare[0])
		spare = spare[1:]
	}
	return d
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// profiles returns the names that pods ask for.
func (d devices) profiles() []string {
	names := make([]string, len(d.list))
	for i, dev := range d.list {
		names[i] = dev.profile
	}
	return names
}

// policy is TOML for the profiles that are not built in.
func (d devices) policy() string {
	text := ""
	for _, dev := range d.list {
		if !dev.builtin {
			text += fmt.Sprintf("\n[[profiles.%s.devices]]\npath = %q\naccess = \"rw\"\nmode = \"0666\"\n", dev.profile, dev.path)
		}
	}
	return text
}
