// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// bundle is an open bundle directory and the spec in it.
type bundle struct {
	dir  int
	path string
	stat unix.Stat_t // config.json as it was
	old  []byte
	spec *value
}

// openBundle opens a bundle; "" is the current directory.
func openBundle(dir string) (*bundle, error) {
	if dir == "" {
		dir = "."
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	b := &bundle{dir: fd, path: dir}
	b.old, err = readAll(fd, specName, maxDocument, &b.stat)
	if err == nil {
		b.spec, err = parseDocument(specName, b.old)
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("reading bundle %q: %w", dir, err)
	}
	return b, nil
}

func (b *bundle) close() { _ = unix.Close(b.dir) }

// save writes the spec, if it changed, and what exec is to change in this
// container: both or neither.
func (b *bundle) save(id string, change processChange) error {
	files := staged{dir: b.dir}
	defer files.discard()
	err := stageExecChange(&files, id, change)
	if spec := b.spec.bytes(); err == nil && !bytes.Equal(spec, b.old) {
		err = files.write(specName, spec, &b.stat)
	}
	if err == nil {
		err = files.commit()
	}
	if err != nil {
		return fmt.Errorf("writing bundle %q: %w", b.path, err)
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
