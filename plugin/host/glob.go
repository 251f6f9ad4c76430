// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

const (
	// maxMatches bounds what a pattern may match, and what a directory that a
	// profile names may hold; past it nobody means it.
	maxMatches = 4096
	// maxEntries bounds what is read of a directory for a glob.
	maxEntries = 16384
)

// expand returns the paths that a pattern may name, sorted. A path without
// special characters is literal, and returned unseen.
//
// It does not use filepath.Glob, which would follow an absolute symbolic link
// of the node into the agent's own root.
func (h *Host) expand(dev uint64, pattern string) (paths []string, literal bool, err error) {
	if err := checkPattern(pattern); err != nil {
		return nil, false, err
	}
	paths, literal = []string{""}, true
	for part := range strings.SplitSeq(policy.UdevGlob(pattern)[1:], "/") {
		if !strings.ContainsAny(part, "*?[") {
			for i := range paths {
				paths[i] += "/" + unescape(part)
			}
			continue
		}
		literal = false
		var next []string
		for _, dir := range paths {
			names, err := h.names(dev, dir, maxEntries)
			switch {
			case err != nil:
				return nil, false, err
			case len(names) > maxEntries:
				return nil, false, fmt.Errorf("%s has more than %d entries: write a path that does not search it", policy.QuotePath(dir), maxEntries)
			}
			for _, name := range names {
				// The pattern is known to parse.
				if ok, _ := path.Match(part, name); ok {
					next = append(next, dir+"/"+name)
				}
			}
		}
		if len(next) > maxMatches {
			return nil, false, fmt.Errorf("%s matches %d paths: write one that matches fewer than %d", policy.QuotePath(pattern), len(next), maxMatches)
		}
		paths = next
	}
	slices.Sort(paths)
	return paths, literal, nil
}

// unescape takes the backslashes away that make characters literal.
func unescape(part string) string {
	var out strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' && i+1 < len(part) {
			i++
		}
		out.WriteByte(part[i])
	}
	return out.String()
}

// names lists a directory of the node, as far as one name more than most. It
// reads none that is on another file system than /dev: nothing there can be
// given, and a pod could fill it.
func (h *Host) names(dev uint64, dir string, most int) ([]string, error) {
	fd, err := h.open(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	switch {
	case absent(err):
		return nil, nil
	case errors.Is(err, unix.ELOOP):
		return nil, leavesInCircles(dir)
	case err != nil:
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer closeFile(f)
	on, err := fileSystem(fd)
	if err != nil {
		return nil, fmt.Errorf("reading the file system of %s: %w", policy.QuotePath(dir), err)
	}
	if on != dev {
		return nil, &otherFileSystemError{dir}
	}
	names, err := f.Readdirnames(most + 1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// otherFileSystemError says that a directory is not searched.
type otherFileSystemError struct{ dir string }

func (e *otherFileSystemError) Error() string {
	return fmt.Sprintf("%s is on another file system than /dev: write a pattern that does not search it", policy.QuotePath(e.dir))
}
