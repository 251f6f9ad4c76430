// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// usual are devices as the kernel numbers them, with the owner and the mode that udev
// gives them on Debian:
// https://docs.kernel.org/admin-guide/devices.html
var usual = []struct {
	pattern      string
	kind         string
	major, minor int64
	mode         fs.FileMode
	gid          uint32
}{
	{"/dev/fuse", "c", 10, 229, 0o666, 0},
	{"/dev/kvm", "c", 10, 232, 0o666, 0},
	{"/dev/net/tun", "c", 10, 200, 0o666, 0},
	{"/dev/vfio/vfio", "c", 10, 196, 0o666, 0},
	{"/dev/vhost-net", "c", 10, 238, 0o660, 0},
	{"/dev/ttyUSB*", "c", 188, 0, 0o660, 20},
	{"/dev/ttyACM*", "c", 166, 0, 0o660, 20},
	{"/dev/ttyS*", "c", 4, 64, 0o660, 20},
	{"/dev/serial/by-*/*", "c", 188, 0, 0o660, 20},
	{"/dev/dri/card*", "c", 226, 0, 0o660, 44},
	{"/dev/dri/renderD*", "c", 226, 128, 0o666, 0},
	{"/dev/video*", "c", 81, 0, 0o660, 44},
	{"/dev/snd/*", "c", 116, 0, 0o660, 29},
	{"/dev/nvidia[0-9]*", "c", 195, 0, 0o666, 0},
	{"/dev/sd[a-z]*", "b", 8, 0, 0o660, 6},
	{"/dev/nvme*", "b", 259, 0, 0o660, 6},
}

// The first of the majors that the kernel leaves to local use.
const localMajor = 240

// assumption is a device that an explanation goes by though the node has it not.
type assumption struct {
	device policy.HostDevice
	from   string // where its numbers, owner and mode are from; "" for the command line
}

func (a assumption) String() string {
	d := &a.device
	return fmt.Sprintf("this node has %s (%s %d:%d mode %04o owner %d:%d%s), as --assume-device says",
		d.Path, d.Type, d.Major, d.Minor, d.Mode, d.UID, d.GID, a.from)
}

const assumedForm = "PATH[=TYPE:MAJOR:MINOR[:MODE[:UID:GID]]]"

// parseAssumed reads an assumption as assumedForm says. before is how many there are
// already: devices of which nothing is known differ by it.
func parseAssumed(text string, before int) (assumption, error) {
	at, rest, given := strings.Cut(text, "=")
	a := usually(at, before)
	if !strings.HasPrefix(at, "/dev/") || path.Clean(at) != at {
		return a, fmt.Errorf("%q is not the path of a device: write it as in /dev/kvm", at)
	}
	if !given {
		return a, nil
	}
	fields := strings.FieldsFunc(rest, func(r rune) bool { return r == ':' || r == ' ' })
	number := func(i, base, bits int) (uint64, error) {
		if i >= len(fields) {
			return 0, nil
		}
		return strconv.ParseUint(fields[i], base, bits)
	}
	major, wrong1 := number(1, 10, 12)
	minor, wrong2 := number(2, 10, 20)
	mode, wrong3 := number(3, 8, 9)
	uid, wrong4 := number(4, 10, 32)
	gid, wrong5 := number(5, 10, 32)
	if !slices.Contains([]int{3, 4, 6}, len(fields)) || fields[0] != "c" && fields[0] != "b" || errors.Join(wrong1, wrong2, wrong3, wrong4, wrong5) != nil {
		return a, fmt.Errorf("%q is not a device: write %s, as in /dev/ttyUSB0=c:188:0:0660:0:20", text, assumedForm)
	}
	a.from = ""
	a.device.Type, a.device.Major, a.device.Minor = fields[0], int64(major), int64(minor)
	if len(fields) > 3 {
		a.device.Mode = fs.FileMode(mode)
	}
	if len(fields) > 4 {
		a.device.UID, a.device.GID = uint32(uid), uint32(gid)
	}
	return a, nil
}

// usually is what a path mostly is. Of another, nothing is known.
func usually(at string, before int) assumption {
	for _, u := range usual {
		if named, _ := path.Match(u.pattern, at); named {
			return assumption{policy.HostDevice{Path: at, Resolved: at, Type: u.kind, Major: u.major, Minor: u.minor + ordinal(at), Mode: u.mode, GID: u.gid}, ", as on Debian"}
		}
	}
	return assumption{policy.HostDevice{Path: at, Resolved: at, Type: "c", Major: localMajor, Minor: int64(before), Mode: 0o660}, ", for want of better"}
}

// ordinal is the number at the end of a device's name that its minor counts on from.
func ordinal(at string) int64 {
	name := strings.TrimRight(at, "0123456789")
	n, err := strconv.ParseInt(at[len(name):], 10, 16)
	switch {
	case err != nil || strings.HasPrefix(at, "/dev/nvme") || strings.HasPrefix(at, "/dev/serial/"):
		return 0
	case strings.HasSuffix(name, "renderD") && n >= 128:
		return n - 128
	}
	return n
}

// noUserNamespaces is what the kubelet says on a runtime that has none, where no agent
// is asked at all.
func (e *explainer) noUserNamespaces(r *policy.Request) error {
	if !r.UserNamespace.Value || e.runtime.Name != runtimes.Containerd || !strings.HasPrefix(strings.TrimPrefix(e.runtime.Version, "v"), "1.") {
		return nil
	}
	return r.Refuse(policy.Unmet, "", "has hostUsers: false, for which the kubelet refuses the pod under %s", e.runtime).Advise("use containerd 2.0 or later, or leave hostUsers out")
}

// strict is an error if anything in the report would keep a reader from saying that all
// is well.
func (r *explainReport) strict() error {
	refusals, notes := 0, 0
	for i := range r.Pods {
		p := &r.Pods[i]
		notes += len(p.Hints)
		for j := range p.Containers {
			c := &p.Containers[j]
			notes += len(c.Reasons) + len(c.Warnings)
			if c.Result == refused {
				refusals++
			}
		}
	}
	if refusals+notes == 0 {
		return nil
	}
	return fmt.Errorf("%s refused, %s, and --strict was given", several(refusals, "container"), several(notes, "note"))
}
