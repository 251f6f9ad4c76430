// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxMatches bounds what a glob may match; past it nobody means it.
const maxMatches = 4096

// expand returns the paths that a pattern may name, sorted. A path without
// special characters is returned unseen.
//
// It does not use filepath.Glob, which would follow an absolute symbolic link
// of the node into the agent's own root.
func (h *Host) expand(dev uint64, pattern string) ([]string, error) {
	if err := checkPattern(pattern); err != nil {
		return nil, err
	}
	paths := []string{""}
	for part := range strings.SplitSeq(pattern[1:], "/") {
		if !strings.ContainsAny(part, `*?[\`) {
			for i := range paths {
				paths[i] += "/" + part
			}
			continue
		}
		var next []string
		for _, dir := range paths {
			names, err := h.names(dev, dir)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				// The pattern is known to parse.
				if ok, _ := path.Match(part, name); ok {
					next = append(next, dir+"/"+name)
				}
			}
		}
		if len(next) > maxMatches {
			return nil, fmt.Errorf("%q matches %d paths: write one that matches fewer than %d", pattern, len(next), maxMatches)
		}
		paths = next
	}
	slices.Sort(paths)
	return paths, nil
}

// names lists a directory of the node. It reads none that is on another file
// system than /dev: nothing there can be given, and a pod could fill it.
func (h *Host) names(dev uint64, dir string) ([]string, error) {
	fd, err := h.open(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	switch {
	case absent(err):
		return nil, nil
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%q leaves /dev: its symbolic links go round in a circle or through /proc", dir)
	case err != nil:
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer closeFile(f)
	on, err := fileSystem(fd)
	if err != nil {
		return nil, fmt.Errorf("reading the file system of %q: %w", dir, err)
	}
	if on != dev {
		return nil, fmt.Errorf("%q is on another file system than /dev: write a pattern that does not search it", dir)
	}
	return f.Readdirnames(-1)
}
