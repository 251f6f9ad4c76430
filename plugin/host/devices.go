// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// LookupDevices looks up devices: by an absolute path or a glob (path.Match) on the
// node, below /dev, or by what a USB device says of itself.
func (h *Host) LookupDevices(selectors []policy.DeviceSelector) map[policy.DeviceSelector]policy.DeviceLookup {
	if len(selectors) == 0 {
		return nil
	}
	out := make(map[policy.DeviceSelector]policy.DeviceLookup, len(selectors))
	dev, err := h.devFileSystem()
	for _, s := range selectors {
		switch {
		case err != nil:
			out[s] = h.withAssumed(s.Path, policy.DeviceLookup{Err: err})
		case s.USB != (policy.USB{}):
			out[s] = h.lookupUSB(dev, s.USB)
		default:
			out[s] = h.withAssumed(s.Path, h.lookup(dev, s.Path))
		}
	}
	return out
}

// LookupDevice looks up one selector.
func (h *Host) LookupDevice(s policy.DeviceSelector) policy.DeviceLookup {
	return h.LookupDevices([]policy.DeviceSelector{s})[s]
}

// devFileSystem returns the number of the file system that holds /dev. It is
// asked for each time: it may be mounted anew while the agent runs.
func (h *Host) devFileSystem() (uint64, error) {
	fd, err := h.open("/dev", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return 0, err
	}
	defer closeFD(fd)
	return fileSystem(fd)
}

func fileSystem(fd int) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	return wide(st.Dev), nil
}

// wide takes a number as the kernel's structures have it, which differs from
// one architecture to the other.
func wide[T int32 | uint32 | int64 | uint64](n T) uint64 { return uint64(n) }

// lookup finds a pattern's nodes, in the order of their paths. A path without
// special characters must name a device, or a directory, which stands for the
// devices below it. A glob passes over what is no device.
func (h *Host) lookup(dev uint64, pattern string) policy.DeviceLookup {
	paths, literal, err := h.expand(dev, pattern)
	if err != nil {
		return policy.DeviceLookup{Err: err}
	}
	var out policy.DeviceLookup
	for _, p := range paths {
		node, ok, err := h.device(dev, p)
		var other *noDeviceError
		switch {
		case errors.As(err, &other) && !literal:
		case errors.As(err, &other) && other.directory():
			return h.directory(dev, p, other.resolved)
		case err != nil:
			return policy.DeviceLookup{Err: err}
		case ok:
			out.Nodes = append(out.Nodes, node)
		}
	}
	return out
}

// device stats one path of the node; ok is false if nothing is there, which
// is also the answer for a node that vanished since its directory was read,
// and for shadow nodes.
func (h *Host) device(dev uint64, name string) (node policy.HostDevice, ok bool, err error) {
	fd, err := h.open(name, unix.O_PATH)
	switch {
	case absent(err):
		return node, false, nil
	case errors.Is(err, unix.ELOOP):
		return node, false, leavesInCircles(name)
	case err != nil:
		return node, false, err
	}
	defer closeFD(fd)

	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return node, false, fmt.Errorf("reading the kind of %s: %w", policy.QuotePath(name), err)
	}
	if st.Nlink == 0 {
		return node, false, nil // removed since it was opened
	}
	resolved, err := h.pathOf(fd)
	if err != nil {
		return node, false, fmt.Errorf("resolving %s: %w", policy.QuotePath(name), err)
	}
	if below(h.shadowDir, name) || below(h.shadowDir, resolved) {
		return node, false, nil
	}
	inDev := wide(st.Dev) == dev || h.boundInDev(fd, dev, resolved)
	if err := usable(&st, inDev, name, resolved); err != nil {
		return node, false, err
	}
	return policy.HostDevice{
		Path:     name,
		Resolved: resolved,
		Type:     deviceType(st.Mode),
		Major:    int64(unix.Major(wide(st.Rdev))),
		Minor:    int64(unix.Minor(wide(st.Rdev))),
		Mode:     fs.FileMode(st.Mode & 0o777),
		UID:      st.Uid,
		GID:      st.Gid,
	}, true, nil
}

// noDeviceError says that a file is there and is not a device.
type noDeviceError struct {
	name, resolved string
	mode           uint32
}

func (e *noDeviceError) directory() bool { return e.mode&unix.S_IFMT == unix.S_IFDIR }

func (e *noDeviceError) Error() string {
	return fmt.Sprintf("%s is %s, not a device", policy.QuotePath(e.name), kind(e.mode))
}

// usable says what keeps a file from being given as a device. /dev's own file
// system is written by the kernel and root alone; pods may share others below
// it, such as /dev/shm, and put what they like there.
func usable(st *unix.Stat_t, inDev bool, name, resolved string) error {
	switch {
	case deviceType(st.Mode) == "":
		return &noDeviceError{name, resolved, st.Mode}
	case !below("/dev", resolved):
		return leaves(name, resolved)
	case !inDev:
		return fmt.Errorf("%s is on another file system than /dev, where others than the node's administrator may have put it", policy.QuotePath(name))
	}
	return nil
}

func leaves(name, resolved string) error {
	return fmt.Errorf("%s leaves /dev: it is a symbolic link to %s", policy.QuotePath(name), policy.QuotePath(resolved))
}

func leavesInCircles(name string) error {
	return fmt.Errorf("%s leaves /dev: its symbolic links go round in a circle or through /proc", policy.QuotePath(name))
}

// boundInDev reports whether a file is bind-mounted, by itself, on one of /dev's
// own. So a node that is a container gets devices, and it takes the node's own
// root to mount there.
func (h *Host) boundInDev(fd int, dev uint64, resolved string) bool {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &st); err != nil || st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return false
	}
	dir, err := h.open(path.Dir(resolved), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	defer closeFD(dir)
	on, err := fileSystem(dir)
	return err == nil && on == dev
}

// deviceType returns the runtime-spec's letter, or "" for what is no device.
func deviceType(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFCHR:
		return "c"
	case unix.S_IFBLK:
		return "b"
	}
	return ""
}

// kind names a file's type for a message.
func kind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "a regular file"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return fmt.Sprintf("a file of type %#o", mode&unix.S_IFMT)
}

// checkPattern refuses what could not name a device.
func checkPattern(pattern string) error {
	if err := policy.CheckGlob(pattern); err != nil {
		return fmt.Errorf("%s: %w", policy.QuotePath(pattern), err)
	}
	if path.Clean(pattern) != pattern || !below("/dev", pattern) {
		return fmt.Errorf("%s is not a path below /dev", policy.QuotePath(pattern))
	}
	return nil
}
