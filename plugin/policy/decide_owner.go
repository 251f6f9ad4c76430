// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// owner returns the ids that own the node, as the container sees them, and
// which of them only the wrapper can find out; those are 0.
func (d *decider) owner(n *deviceNode, mode fs.FileMode) (uid, gid uint32, unknown Process, err error) {
	user, wantUID, wantGID := d.facts.Container.User, n.rule.UID, n.rule.GID
	if wantGID.Of == "" && mode>>3&7 != mode&7 {
		wantGID.Of = OfHost // as runtimes do: the mode gives the group rights of its own
	}
	wantUID = d.mapped(n, wantUID, n.rule.UIDElse, "uid", d.facts.Host.UIDMap, n.host.UID)
	wantGID = d.mapped(n, wantGID, n.rule.GIDElse, "gid", d.facts.Host.GIDMap, n.host.GID)
	of := Process{UID: wantUID.Of == OfProcess, GID: wantGID.Of == OfProcess}
	switch {
	case of == Process{} || user.OK:
	case d.wrapped():
		return wantUID.Number, wantGID.Number, of, nil
	default:
		return 0, 0, of, d.refuse(UnknownFact, n.target, `would get device %s of profile %q, which belongs to the container's user, and this runtime does not tell who that is`,
			QuotePath(n.target), n.profile).Advise(`%s, have the profile say a number instead of "user", or %s`, d.policy.UnderWrapper(), d.facts.TellingRuntime)
	}
	if of.UID {
		wantUID.Number = user.Value.UID
	}
	if of.GID {
		wantGID.Number = user.Value.GID
	}
	return wantUID.Number, wantGID.Number, Process{}, nil
}

// mapped turns an id of the host into the container's number for it. Where a
// user namespace has none, it is what the profile says instead, or the
// container's root.
func (d *decider) mapped(n *deviceNode, want, instead ID, kind string, m Known[[]specs.LinuxIDMapping], host uint32) ID {
	if want.Of != OfHost {
		return want
	}
	if !d.userNamespace() {
		return ID{OfNumber, host}
	}
	for _, x := range m.Value {
		if m.OK && host >= x.HostID && host-x.HostID < x.Size {
			return ID{OfNumber, x.ContainerID + (host - x.HostID)}
		}
	}
	if instead.Of == "" && host != 0 {
		d.note(LeftOut, n.profile, fmt.Sprintf("%s %d of device %s on the node: the pod's user namespace does not have it, so the device belongs to the container's root; the profile may say what else, as in %s = [\"host\", \"user\"]",
			kind, host, QuotePath(n.target), kind))
	}
	return instead
}

// hostID returns the host's id for one of the container.
func (d *decider) hostID(m Known[[]specs.LinuxIDMapping], id uint32) (uint32, error) {
	if !d.userNamespace() {
		return id, nil
	}
	return mapID(m, id)
}

// warnUnopened warns where the container's user gets a device that its owner
// and mode keep it from opening.
func (d *decider) warnUnopened(n *deviceNode, mode fs.FileMode, uid, gid uint32) {
	user, need := d.facts.Container.User, fs.FileMode(0)
	if strings.Contains(n.access, "r") {
		need |= 4
	}
	if strings.Contains(n.access, "w") {
		need |= 2
	}
	if !user.OK || d.overrides(user.Value.UID) {
		return
	}
	groups := d.facts.Container.Groups
	has := mode & 7
	switch {
	case user.Value.UID == uid:
		has = mode >> 6 & 7
	case user.Value.GID == gid || slices.Contains(groups.Value, gid):
		has = mode >> 3 & 7
	case !groups.OK && mode>>3&need == need:
		return // it may be in the group
	}
	if has&need == need {
		return
	}
	remedy := `write uid = "user" in the profile`
	if mode>>3&need == need {
		remedy = fmt.Sprintf("put %d into the pod's supplementalGroups, or write gid = \"user\" in the profile", gid)
		if d.userNamespace() {
			remedy = `write gid = "user" in the profile`
		}
	} else if mode>>6&need != need {
		remedy = `write another mode in the profile, such as mode = "0660"`
	}
	d.note(CannotOpen, n.profile, fmt.Sprintf("device %s: uid %d of the container cannot open it with access %s, since its mode is %04o and it belongs to %d:%d there: %s",
		QuotePath(n.target), user.Value.UID, n.access, mode, uid, gid, remedy))
}

// overrides reports whether modes stop the user of a container, as far as is
// known: root has CAP_DAC_OVERRIDE unless somebody took it away.
func (d *decider) overrides(uid uint32) bool {
	const name = "CAP_DAC_OVERRIDE"
	set := &d.merged.capabilities
	switch {
	case slices.Contains(set.Drop, name):
		return false
	case slices.Contains(set.Add, name):
		return true
	}
	own := d.facts.Container.Capabilities
	return uid == 0 && (!own.OK || slices.Contains(own.Value, name))
}
