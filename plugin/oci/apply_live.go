// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
)

// noDevices is the mount option by which no device opens on a mount and those below it.
const noDevices = "rnodev"

// applyLive keeps a container with live directories from all other device nodes of
// their major numbers: its volumes are mounted nodev, and it has not the capability by
// which it could undo that. What it could do all the same refuses it.
func applyLive(spec *value, a *change.Adjustment) error {
	if len(a.LiveDirectories) == 0 {
		return nil
	}
	userNamespace, err := hasUserNamespace(spec)
	if err != nil {
		return err
	}
	if !userNamespace {
		return fmt.Errorf("%s: it has live directories and no user namespace, so it could make other devices' nodes", spec.path())
	}
	if err := mayNotMount(spec); err != nil {
		return err
	}
	list, err := spec.lookup("mounts")
	if list == nil || err != nil {
		return err
	}
	if err := list.open('['); err != nil {
		return err
	}
	own := path.Dir(a.LiveDirectories[0].Path)
	for i := range list.kids {
		if err := closeVolume(list.kids[i].value, own); err != nil {
			return err
		}
	}
	return nil
}

// mayNotMount refuses CAP_SYS_ADMIN, which unmounts and remounts.
func mayNotMount(spec *value) error {
	var have specs.LinuxCapabilities
	if err := spec.read(&have, "process", "capabilities"); err != nil {
		return err
	}
	for _, set := range [][]string{have.Bounding, have.Effective, have.Permitted, have.Inheritable, have.Ambient} {
		if slices.ContainsFunc(set, func(c string) bool { return strings.EqualFold(c, "CAP_SYS_ADMIN") }) {
			return errors.New("it has live directories and CAP_SYS_ADMIN, with which it could mount what opens other devices: take privileged and SYS_ADMIN out of the pod's spec, and out of the profile")
		}
	}
	return nil
}

// closeVolume lets no device open on a bind mount, unless the agent made it: own is
// where its nodes and directories for this container are.
func closeVolume(mount *value, own string) error {
	var m specs.Mount
	if err := mount.decode(&m); err != nil {
		return err
	}
	has := func(options ...string) bool {
		return slices.ContainsFunc(m.Options, func(o string) bool { return slices.Contains(options, o) })
	}
	switch {
	case has("slave", "rslave", "shared", "rshared"):
		return fmt.Errorf("it has live directories and a volume at %q in which mounts of the node appear, with devices perhaps: write no mountPropagation there", m.Destination)
	case m.Type != "bind" && !has("bind", "rbind"), isBelow(m.Source, own), has(noDevices):
		return nil
	}
	options, err := mount.ensure("options", "[]")
	if err != nil {
		return err
	}
	if err := options.open('['); err != nil {
		return err
	}
	options.add(len(options.kids), encode(noDevices))
	return nil
}

// closeRoot lets no device open on the container's root, which its image may have
// brought. The user namespace that the runtime makes inherits that and locks it.
func closeRoot(b *bundle, a *change.Adjustment) error {
	if len(a.LiveDirectories) == 0 {
		return nil
	}
	at, err := b.rootPath()
	if err != nil {
		return err
	}
	fd, err := unix.Openat(b.dir, at, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the container's root %q: %w", at, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &st); err != nil {
		return fmt.Errorf("looking at the container's root %q: %w", at, err)
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return fmt.Errorf("it has live directories, and its root %q is no mount of its own that could be closed to other devices: use a snapshotter that mounts it, such as overlayfs", at)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("mounting the container's root %q nodev: %w", at, err)
	}
	return nil
}

// rootPath is where the spec says that the container's root is, relative to the bundle
// or absolute.
func (b *bundle) rootPath() (string, error) {
	var at string
	err := b.spec.read(&at, "root", "path")
	if err == nil && at == "" {
		err = errors.New("the spec names no root")
	}
	return at, err
}
