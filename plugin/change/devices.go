// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Device is a node that the OCI runtime creates, and the access to it: the
// letters of Access and no others.
type Device struct {
	specs.LinuxDevice
	Access  string  `json:"access"`
	Process Process `json:"process,omitzero"`
}

// Process says which ids of a node are to be those of the container's process.
// It is for runtimes that do not tell the agent who that is; the wrapper finds
// it in the spec.
type Process struct {
	UID bool `json:"uid,omitempty"`
	GID bool `json:"gid,omitempty"`
}

// KindDevices is new device nodes.
var KindDevices = &Kind{
	Key: "devices", Field: "linux.devices", Wrapper: true,
	Uses: []Use{
		{"`devices` with `rw` in pods without a user namespace", DeliversBasics},
		{"`devices` with other access", DeliversAccess},
		{"`devices` in pods with a user namespace", DeliversUserNamespaceDevices},
		{"`uid` or `gid` of `\"user\"`", DeliversBasics | TellsUser},
	},
	in:   func(a *Adjustment) bool { return len(a.Devices) > 0 },
	copy: func(to, from *Adjustment) { to.Devices = from.Devices },
	list: func(a *Adjustment) (out []Change) {
		for _, d := range a.Devices {
			out = append(out, Change{Text: "+ " + d.text(), Only: Adjustment{Devices: []Device{d}}})
		}
		return out
	},
	name: func(a *Adjustment) (out []string) {
		for _, d := range a.Devices {
			out = append(out, fmt.Sprintf("the access %q of device %s", d.Access, d.Path))
		}
		return out
	},
	brief: func(a *Adjustment) (out []string) {
		for _, d := range a.Devices {
			out = append(out, fmt.Sprintf("device %s %s", d.Path, d.Access))
		}
		return out
	},
	gives: func(a *Adjustment) bool { return len(a.Devices) > 0 },
}

func (d *Device) text() string {
	text := fmt.Sprintf("%s %s %d:%d %s", d.Path, d.Type, d.Major, d.Minor, d.Access)
	if d.FileMode != nil {
		text += fmt.Sprintf(" mode %04o", d.FileMode.Perm())
	}
	if d.UID != nil && d.GID != nil {
		text += " owner " + ownerText(*d.UID, *d.GID, d.Process)
	}
	return text
}

// ownerText reads as chown takes it.
func ownerText(uid, gid uint32, of Process) string {
	return IDText(uid, of.UID) + ":" + IDText(gid, of.GID)
}

// IDText writes an id; one that the wrapper finds is "user".
func IDText(id uint32, ofProcess bool) string {
	if ofProcess {
		return "user"
	}
	return strconv.FormatUint(uint64(id), 10)
}
