// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// self is the program that runs, whatever its name.
const self = "/proc/self/exe"

// namePrefix is before the NAME of [runtimes] in what a handler's BinaryName calls the
// wrapper: a copy of it, or a link to it. Only containerd's configuration says that.
const namePrefix = "nodegate-runc-"

// runtimeOf is the real runtime of the handler that the wrapper is called for. Its error
// comes with the runtime of all others.
func (s *Settings) runtimeOf(called, configPath string) (string, error) {
	name, has := strings.CutPrefix(path.Base(called), namePrefix)
	if !has {
		return s.Path, nil
	}
	if file := s.Runtimes[name]; isRuntime(file) {
		return file, nil
	}
	return s.Path, fmt.Errorf("called as %q, and %s names no runtime for it: write %s = \"NAME OR PATH OF ITS RUNTIME\" under [runtimes]", path.Base(called), configPath, name)
}

// findRuntime returns the path of the real OCI runtime: one that is given, or
// the first of that name in PATH. It must not be this program again, which
// would run itself without end.
func findRuntime(name, searchPath string) (string, error) {
	if path.IsAbs(name) {
		if err := executable(name); err != nil {
			return "", fmt.Errorf("the OCI runtime %q cannot be run: %w", name, err)
		}
		return name, notSelf(name)
	}
	var problem error
	for dir := range strings.SplitSeq(searchPath, ":") {
		if !path.IsAbs(dir) {
			continue // a runtime is not taken from wherever this was called
		}
		file := path.Join(dir, name)
		err := executable(file)
		if err == nil {
			return file, notSelf(file)
		}
		if problem == nil && !errors.Is(err, fs.ErrNotExist) {
			problem = err
		}
	}
	if problem != nil {
		return "", fmt.Errorf("the OCI runtime %q cannot be run: %w", name, problem)
	}
	return "", fmt.Errorf("there is no OCI runtime %q in PATH (%s): write its absolute path as path in runc.toml", name, searchPath)
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%q is not a regular file", file)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS); err != nil || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%q is not executable", file)
	}
	return nil
}

// notSelf refuses this very file, by any name, and a copy of it.
func notSelf(file string) error {
	own, err := os.Stat(self)
	if err != nil {
		return nil // no /proc: then it is the administrator's care
	}
	other, err := os.Stat(file)
	if err != nil {
		return err
	}
	if os.SameFile(own, other) || own.Size() == other.Size() && sameContent(file) {
		return fmt.Errorf("the OCI runtime %q is nodegate-runc itself: write the real one's absolute path as path in runc.toml", file)
	}
	return nil
}

func sameContent(file string) bool {
	own, err := os.ReadFile(self)
	if err != nil {
		return false
	}
	other, err := os.ReadFile(file)
	return err == nil && bytes.Equal(own, other)
}
