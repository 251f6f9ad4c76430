// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxAttribute bounds a file of sysfs: the kernel writes at most a page.
const maxAttribute = 4096

// findSysfs opens the directory that the node's sysfs is below: host_root, or the
// agent's own root. What sysfs says of devices is the same in every container.
func (h *Host) findSysfs() (int, error) {
	if fd, err := h.open("/sys/class", unix.O_PATH|unix.O_DIRECTORY); err == nil {
		closeFD(fd)
		return h.root, nil
	}
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening the root directory: %w", err)
	}
	return fd, nil
}

// sysLinks reads the symbolic links of a directory of sysfs, by their names.
func (h *Host) sysLinks(dir string) (map[string]string, error) {
	fd, err := openBelow(h.sysRoot, dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer closeFile(f)
	names, err := f.Readdirnames(-1)
	out := make(map[string]string, len(names))
	buf := make([]byte, unix.PathMax)
	for _, name := range names {
		if n, err := unix.Readlinkat(fd, name, buf); err == nil { // else it is no link, or gone
			out[name] = string(buf[:n])
		}
	}
	return out, err
}

// sysLink reads what a symbolic link of sysfs says.
func (h *Host) sysLink(name string) (string, error) {
	fd, err := openBelow(h.sysRoot, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer closeFD(fd)
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	return string(buf[:max(n, 0)]), err
}

// sysAttribute reads a file of sysfs without the line feed at its end; "" if there is
// none, or none any more.
func (h *Host) sysAttribute(name string) string {
	fd, err := openBelow(h.sysRoot, name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return ""
	}
	text, err := readFrom(os.NewFile(uintptr(fd), name), maxAttribute)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}
