// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// dropInDir holds the drop-ins, beside the main file.
const dropInDir = "conf.d"

type file struct {
	name string
	data []byte
}

// readFiles reads the main file and its drop-ins, in the order in which they
// apply.
func readFiles(path string) ([]file, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf(`there is no policy at %q: write one there ("version = 1" is enough to begin with), or name another by --config: %w`, path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	files := []file{{path, data}}
	names, err := dropIns(path)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read a drop-in of %q: %w", path, err)
		}
		files = append(files, file{name, data})
	}
	return files, nil
}

// dropIns lists the drop-ins of the main file in lexical order. Dot-files are
// left alone, as containerd does: editors and Kubernetes (..data) leave them.
func dropIns(path string) ([]string, error) {
	dir := filepath.Join(filepath.Dir(path), dropInDir)
	entries, err := os.ReadDir(dir) // sorted by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the drop-ins of %q: %w", path, err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".toml") && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}
