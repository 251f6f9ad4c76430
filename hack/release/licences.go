// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|patents)([.-].*)?$`)

// projectPath is nodegate's own module.
const projectPath = "github.com/nodegate/nodegate"

// licences returns the licence files of nodegate and of every module that is linked into
// the program in a folder, named after the module. A module without one is an error: what may not be passed on must not be in a
// release.
func licences(source, program string, modules []module) ([]file, error) {
	files, err := licencesIn(source, projectPath)
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		dir, err := moduleDir(program, m)
		if err != nil {
			return nil, err
		}
		more, err := licencesIn(dir, m.path)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

func licencesIn(dir, modulePath string) ([]file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for the licence of %s: %w", modulePath, err)
	}
	var files []file
	for _, e := range entries {
		if e.Type().IsRegular() && licenceName.MatchString(e.Name()) && !strings.HasSuffix(e.Name(), ".go") {
			files = append(files, file{name: path.Join(modulePath, e.Name()), mode: 0o644, path: filepath.Join(dir, e.Name())})
		}
	}
	if !slices.ContainsFunc(files, func(f file) bool { return !strings.HasPrefix(strings.ToLower(path.Base(f.name)), "notice") }) {
		return nil, fmt.Errorf("%s has no licence file at its top", modulePath)
	}
	return files, nil
}

// moduleDir is where the go command keeps the source of a module of the program in a folder.
func moduleDir(program string, m module) (string, error) {
	args := []string{"list", "-m", "-f", "{{.Dir}}", m.path}
	if m.path == "std" {
		args = []string{"env", "GOROOT"}
	}
	list := exec.Command("go", args...)
	list.Dir, list.Stderr = program, os.Stderr
	list.Env = append(os.Environ(), "GOFLAGS=-mod=readonly")
	out, err := list.Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		return "", fmt.Errorf("finding the source of %s: go %s: %w", m.path, strings.Join(args, " "), err)
	}
	if m.path == "std" {
		return goLicence(dir)
	}
	return dir, nil
}

// goLicence is the folder with Go's LICENSE, which some distributions keep above lib/.
func goLicence(root string) (string, error) {
	for _, dir := range []string{root, filepath.Dir(root)} {
		if _, err := os.Stat(filepath.Join(dir, "LICENSE")); err == nil {
			return dir, nil
		}
	}
	return "", &fs.PathError{Op: "open", Path: filepath.Join(root, "LICENSE"), Err: fs.ErrNotExist}
}
