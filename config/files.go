// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// dropInDir holds the drop-ins, beside the main file.
const dropInDir = "conf.d"

// sizeLimit is far above any policy. What is larger is a mistake, and should
// not take the node's memory.
const sizeLimit = 64 << 20

type file struct {
	name string
	data []byte
}

// readFiles reads the main file and its drop-ins, in the order in which they
// apply.
func readFiles(path string) ([]file, error) {
	if path == "" {
		return nil, errors.New("the name of the policy file is empty: write --config FILE, or leave --config out")
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf(`there is no policy at %q: write one there ("version = 1" is enough to begin with), or name another by --config: %w`, path, fs.ErrNotExist)
	}
	data, err := readFile(path, "name a file in it by --config")
	if err != nil {
		return nil, err
	}
	files := []file{{path, data}}
	names, err := dropIns(path)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := readFile(name, "give it a name that does not end in .toml, or move it away")
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, data})
	}
	return files, nil
}

// readFile reads a regular file, also behind links, as Kubernetes makes them.
// It never waits: the watch reads whatever lies there. ifDir says what to do
// about a directory.
func readFile(name, ifDir string) ([]byte, error) {
	// Looked at before it is opened, as opening alone starts some devices, a
	// watchdog for one, and again after, as it may be another by then.
	info, err := os.Stat(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	if err := checkFile(name, info, ifDir); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer func() { _ = f.Close() }()
	if info, err = f.Stat(); err != nil {
		return nil, fileError(name, err)
	}
	if err := checkFile(name, info, ifDir); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, sizeLimit+1)) // it may grow, and those of /proc tell no size
	switch {
	case err != nil:
		return nil, fileError(name, err)
	case len(data) > sizeLimit:
		return nil, tooLarge(name)
	}
	return data, nil
}

// checkFile refuses what cannot be read to its end.
func checkFile(name string, info fs.FileInfo, ifDir string) error {
	switch {
	case info.IsDir():
		return fmt.Errorf("%s: is a directory, not a regular file: %s", name, ifDir)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: is %s, not a regular file: write the policy into a regular file", name, fileKind(info.Mode()))
	case info.Size() > sizeLimit:
		return tooLarge(name)
	}
	return nil
}

func tooLarge(name string) error {
	return fmt.Errorf("%s: has more than %d MiB: write the policy into a smaller file", name, sizeLimit>>20)
}

func fileKind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// fileError says what to do about a file or directory that cannot be read.
func fileError(name string, err error) error {
	remedy := "mend that, or name another policy by --config"
	switch {
	case errors.Is(err, fs.ErrPermission):
		remedy = fmt.Sprintf("let uid %d read it, and search the directories above it, or run nodegate as root", os.Geteuid())
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: is a link that leads nowhere, or has just gone: make the file that it leads to, or remove the link", name)
	case errors.Is(err, unix.ELOOP):
		remedy = "make the link lead to a file"
	}
	// Without the operation and the path, which the message has already.
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s: cannot be read, %w: %s", name, err, remedy)
}

// dropIns lists the drop-ins of the main file in lexical order. Dot-files are
// left alone, as containerd does: editors and Kubernetes (..data) leave them.
func dropIns(path string) ([]string, error) {
	dir := filepath.Join(filepath.Dir(path), dropInDir)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fileError(dir, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s: is not a directory: make a directory of it that holds drop-ins, or move it away", dir)
	}
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, fileError(dir, err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".toml") && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}
