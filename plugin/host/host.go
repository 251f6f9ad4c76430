// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// Host answers questions about the node. It is safe for concurrent use. Make
// one with New.
type Host struct {
	root      int    // an O_PATH descriptor of host_root
	sysRoot   int    // the same of what sysfs is below
	rootPath  string // its path as /proc/self/fd shows it, "" for "/"
	shadowDir string // a path of the node

	assumed []policy.HostDevice

	watching sync.Mutex
	watches  []*Watch // they end with the Host

	uidMap, gidMap policy.Known[[]specs.LinuxIDMapping] // see NodeIDMaps
}

// New makes a Host that sees the node's files under root, an absolute path:
// "/", or a container's mount of it. shadowDir is the node's directory of
// shadow nodes, which are no devices to be found.
func New(root, shadowDir string) (*Host, error) {
	if !path.IsAbs(root) || !path.IsAbs(shadowDir) {
		return nil, fmt.Errorf("host_root %q and shadow_dir %q: write absolute paths", root, shadowDir)
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening host_root %q: %w", root, err)
	}
	h := &Host{root: fd, shadowDir: path.Clean(shadowDir), uidMap: idMapOf("self", "uid_map"), gidMap: idMapOf("self", "gid_map")}
	if h.rootPath, err = os.Readlink(descriptorPath(fd)); err != nil {
		closeFD(fd)
		return nil, fmt.Errorf("looking up host_root %q: %w", root, err)
	}
	h.rootPath = strings.TrimSuffix(h.rootPath, "/")
	if h.sysRoot, err = h.findSysfs(); err != nil {
		closeFD(fd)
		return nil, err
	}
	return h, nil
}

// Close lets go of host_root. The Host is of no use afterwards.
func (h *Host) Close() error {
	h.watching.Lock()
	defer h.watching.Unlock()
	for _, w := range h.watches {
		w.Close()
	}
	if h.sysRoot != h.root {
		closeFD(h.sysRoot)
	}
	return unix.Close(h.root)
}

// open opens a path of the node. Symbolic links, absolute ones too, are
// resolved below host_root, and none of /proc's magic links is followed: those
// lead anywhere. See https://man7.org/linux/man-pages/man2/openat2.2.html
func (h *Host) open(name string, flags int) (int, error) { return openBelow(h.root, name, flags) }

func openBelow(root int, name string, flags int) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	// EAGAIN means that a ".." of a symbolic link met a rename or a mount
	// somewhere on the machine. The kernel's advice is to try again.
	for try := 0; ; try++ {
		fd, err := unix.Openat2(root, name, &how)
		switch {
		case (err == unix.EAGAIN || err == unix.EINTR) && try < 128:
			continue
		case err == unix.ENOSYS || err == unix.EPERM:
			return -1, fmt.Errorf("opening %q: %w: openat2(2) is missing: it takes Linux 5.6, and a seccomp profile of the agent that lets it through", name, err)
		case err != nil:
			return -1, &os.PathError{Op: "open", Path: name, Err: err}
		}
		return fd, nil
	}
}

// pathOf returns the node's own path of an open file.
func (h *Host) pathOf(fd int) (string, error) {
	p, err := os.Readlink(descriptorPath(fd))
	if err != nil {
		return "", err
	}
	if h.rootPath != "" && !strings.HasPrefix(p, h.rootPath+"/") {
		return "", fmt.Errorf("%q is not below host_root", p)
	}
	return p[len(h.rootPath):], nil
}

// absent reports whether the error says that a path names nothing.
func absent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// below reports whether p is inside the directory.
func below(dir, p string) bool {
	return strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// closeFD closes what was not written to, of which the error says nothing.
func closeFD(fd int) { _ = unix.Close(fd) }

func closeFile(f *os.File) { _ = f.Close() }

func descriptorPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
