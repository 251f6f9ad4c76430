// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// asked compares a device that the container gets with what another tool's
// annotation says of it. Other numbers are another device than that of the path,
// so the container is refused; mode and owner are the profile's to say.
func (d *decider) asked(n deviceNode, mode fs.FileMode, owner [2]string) error {
	for _, a := range d.requests {
		if a.device == nil || a.device.Path != n.target {
			continue
		}
		if words, other := n.host.otherThan(a.device); other {
			return d.refuse(Conflict, a.key, "asks by its annotation %q for device %s as %s, which is %s %d:%d on this node",
				a.key, quote(a.device.Path), words, n.host.Type, n.host.Major, n.host.Minor).Advise("correct its type, major and minor, or leave them out")
		}
		note := func(what, asked, given string) {
			d.note(LeftOut, n.profile, fmt.Sprintf("%s %s of device %q, which annotation %q asks for: the profile gives it %s %s",
				what, asked, n.target, a.key, what, given))
		}
		if without := strings.ReplaceAll(a.device.Access, "m", ""); unionAccess(n.access, without) != unionAccess(n.access, "") {
			note("access", a.device.Access, n.access)
		}
		if want := a.device.Mode; want.OK && want.Value != mode {
			note("mode", fmt.Sprintf("%04o", uint32(want.Value)), fmt.Sprintf("%04o", uint32(mode)))
		}
		if want := a.device.UID; want.OK && strconv.FormatUint(uint64(want.Value), 10) != owner[0] {
			note("uid", fmt.Sprint(want.Value), owner[0])
		}
		if want := a.device.GID; want.OK && strconv.FormatUint(uint64(want.Value), 10) != owner[1] {
			note("gid", fmt.Sprint(want.Value), owner[1])
		}
	}
	return nil
}

// otherThan reports whether an annotation means another device, and which.
func (h *HostDevice) otherThan(a *RequestedDevice) (words string, other bool) {
	number := func(n Known[int64], have int64) string {
		if !n.OK {
			return "*"
		}
		other = other || n.Value != have
		return strconv.FormatInt(n.Value, 10)
	}
	kind := a.Type
	if kind == "" {
		kind = h.Type
	}
	other = kind != h.Type
	words = fmt.Sprintf("%s %s:%s", clip(kind, 1), number(a.Major, h.Major), number(a.Minor, h.Minor))
	return words, other
}
