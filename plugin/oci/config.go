// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"
)

// maxConfig bounds the configuration, in bytes.
const maxConfig = 64 << 10

// Settings is /etc/nodegate/runc.toml, all that the wrapper is told.
type Settings struct {
	Version  int      `toml:"version"`
	Path     string   `toml:"path"`
	StateDir string   `toml:"state_dir"`
	Exempt   []string `toml:"exempt_namespaces"`

	// Runtimes are the real runtimes of other handlers, by the name that the wrapper is
	// called by for them: nodegate-runc-NAME.
	Runtimes map[string]string `toml:"runtimes"`

	// Strict refuses a container that nothing marks as Kubernetes', too.
	Strict bool `toml:"strict"`
}

// VersionCommand is the one command that the wrapper answers itself: runc has
// none of that name.
const VersionCommand = "nodegate-version"

const (
	defaultRuntime  = "runc"
	defaultStateDir = "/run/nodegate"
)

// loadSettings reads the configuration. Every error says what to write, and
// comes with what could be read all the same.
func loadSettings(file string) (Settings, error) {
	data, err := readAll(unix.AT_FDCWD, file, maxConfig, nil)
	if errors.Is(err, unix.ENOENT) {
		return Settings{}, fmt.Errorf("there is no configuration %q: write one, at least version = 1", file)
	}
	if err != nil {
		return Settings{}, fmt.Errorf("reading the configuration: %w", err)
	}
	return ParseSettings(file, data)
}

// ParseSettings reads the text of a configuration; file names it in errors,
// which come with what could be read all the same.
func ParseSettings(file string, data []byte) (Settings, error) {
	s := Settings{Path: defaultRuntime, StateDir: defaultStateDir}
	d := toml.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, tomlError(file, err)
	}
	return s, s.check(file)
}

func (s *Settings) check(file string) error {
	switch {
	case s.Version == 0:
		return fmt.Errorf("%s: the version is missing: write version = 1", file)
	case s.Version != 1:
		return fmt.Errorf("%s: version %d is not known: write version = 1", file, s.Version)
	case !isRuntime(s.Path):
		return fmt.Errorf("%s: path %q: write the name of the OCI runtime, or its absolute path", file, s.Path)
	case !path.IsAbs(s.StateDir):
		return fmt.Errorf("%s: state_dir %q: write an absolute path, the agent's state.dir", file, s.StateDir)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Runtimes)) {
		if name == "" || strings.ContainsAny(name, "/ ") || !isRuntime(s.Runtimes[name]) {
			return fmt.Errorf("%s: runtimes: %s = %q: write the end of the wrapper's name, and the name of the OCI runtime or its absolute path, as in nvidia = \"nvidia-container-runtime\"", file, name, s.Runtimes[name])
		}
	}
	for _, name := range s.Exempt {
		if name == "" || strings.ContainsAny(name, "*?[\\/ ") {
			return fmt.Errorf("%s: exempt_namespaces: %q is not a namespace: write names; globs are not supported here", file, name)
		}
	}
	return nil
}

// isRuntime reports whether a path can be the real runtime's: a name to look up
// in PATH, or an absolute path.
func isRuntime(file string) bool {
	return file != "" && (path.IsAbs(file) || !strings.Contains(file, "/"))
}

// tomlError words an error of the decoder as file:line: what, and what to do.
func tomlError(file string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		line, _ := unknown.Errors[0].Position()
		return fmt.Errorf("%s:%d: there is no key %q: write version, path, state_dir, exempt_namespaces, strict or a table [runtimes]",
			file, line, strings.Join(unknown.Errors[0].Key(), "."))
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		line, _ := bad.Position()
		key := strings.Join(bad.Key(), ".")
		if write, ok := map[string]string{"version": `version = 1`, "path": `path = "runc"`, "state_dir": `state_dir = "/run/nodegate"`,
			"exempt_namespaces": `exempt_namespaces = ["kube-system"]`, "strict": `strict = true`,
			"runtimes": `runtimes = { nvidia = "nvidia-container-runtime" }`}[key]; ok {
			return fmt.Errorf("%s:%d: %s is not of the right type: write it like %s", file, line, key, write)
		}
		return fmt.Errorf("%s:%d: %s", file, line, strings.TrimPrefix(bad.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "toml: "))
}
