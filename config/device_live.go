// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
)

// ofTheRuntime is what each container has of the runtime. See
// https://github.com/opencontainers/runtime-spec/blob/v1.3.0/config-linux.md#default-devices
var ofTheRuntime = []string{"/proc", "/sys", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/null", "/dev/zero", "/dev/full", "/dev/random",
	"/dev/urandom", "/dev/tty", "/dev/console", "/dev/ptmx", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/core"}

// ofTheImage has the programs and settings of an image, which a directory of devices in
// its place would hide. See https://refspecs.linuxfoundation.org/FHS_3.0/fhs/index.html
var ofTheImage = regexp.MustCompile(`^/((bin|etc|lib|lib32|lib64|sbin|usr)(/.*)?|boot|home|media|mnt|opt|root|run|srv|tmp|var)$`)

// live takes the container's directory for devices that come and go, and looks at what
// makes no sense beside it.
func (t *table) live(d *policy.DeviceRule, which []policy.DeviceSelector) {
	v, ok := t.str("live", `"/dev/serial/by-id"`)
	if !ok {
		return
	}
	remedy := unclean(v)
	switch {
	case remedy != "":
	case strings.ContainsAny(v, `*?[]\`):
		remedy = "write one directory, without * ? [ ] and \\"
	case v == "/" || v == "/dev" || ofTheImage.MatchString(v) || slices.ContainsFunc(ofTheRuntime, func(at string) bool { return mayLieIn(v, at) }):
		remedy = `write a directory of its own, as in "/dev/serial/by-id"`
	}
	if remedy != "" {
		t.bad("live", "is %q: %s", v, remedy)
	}
	d.Live = v
	if d.ContainerPath != "" {
		t.bad("container_path", "stands beside live, where each device has its name: leave it out")
	}
	for i, id := range []policy.ID{d.UID, d.GID} {
		if id.Of == policy.OfHost {
			t.bad([]string{"uid", "gid"}[i], `is "host", and a live device may be absent when its container starts: write a number or "user"`)
		}
	}
	t.liveNumbers(d, which)
}

// liveNumbers looks at the numbers that the container's device-cgroup rule is about.
func (t *table) liveNumbers(d *policy.DeviceRule, which []policy.DeviceSelector) {
	if d.Type == "b" {
		t.bad("type", `is "b": live devices are character devices, since the rule for a block device that comes and goes would open the node's disks`)
	}
	if d.Minor.OK {
		t.bad("minor", "stands beside live, whose devices come back under other minor numbers: leave it out")
	}
	if of, is := policy.SharedMajor(d.Major.Value); is && d.Major.OK {
		t.bad("major", "is %d, which is that of %s too: such a device cannot be live", d.Major.Value, of)
	}
	if !d.Optional && len(which) < 2 {
		return // one is there when the container starts, and tells
	}
	for _, s := range which {
		if rule := (policy.DeviceRule{Path: s.Path, USB: s.USB, Major: d.Major}); !rule.MajorsKnown() {
			t.missing("major", "188, or what /proc/devices has: the device may be absent when its container starts, and its rule needs the number")
			return
		}
	}
}
