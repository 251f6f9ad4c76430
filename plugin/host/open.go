// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens a file of the node for reading. Symbolic links lead where they
// lead on the node. It never waits, and takes no devices and FIFOs: opening
// some of them does something.
func (h *Host) Open(name string) (*os.File, error) {
	at, err := h.open(name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer closeFD(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if mode := st.Mode & unix.S_IFMT; mode != unix.S_IFREG && mode != unix.S_IFDIR {
		return nil, fmt.Errorf("%q is %s", name, kind(st.Mode))
	}
	// The very file that was looked at: another may have its name by now.
	fd, err := unix.Open(descriptorPath(at), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// ReadFile reads a file of the node, of at most limit bytes.
func (h *Host) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := h.Open(name)
	if err != nil {
		return nil, err
	}
	return readFrom(f, limit)
}

// readFrom reads all of a file, of at most limit bytes, and closes it.
func readFrom(f *os.File, limit int64) ([]byte, error) {
	defer closeFile(f)
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%q has more than %d bytes", f.Name(), limit)
	}
	return data, err
}
