// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package crio knows how CRI-O is configured: its files, how they add up, and the
// keys that matter here. Whoever asks reads the files; nothing is run.
package crio

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

// What CRI-O takes where it is told nothing else.
const (
	DefaultConfig = "/etc/crio/crio.conf"
	// DropIns is the folder whose files are read after the main one, all of them,
	// whatever their names.
	DropIns       = "/etc/crio/crio.conf.d"
	DefaultSocket = "/var/run/crio/crio.sock"
	// BuiltIn is the default_runtime of CRI-O 1.31 and later, with a table of its own
	// where the files have none.
	BuiltIn = "crun"
)

// The keys of its configuration.
var (
	Runtimes       = []string{"crio", "runtime", "runtimes"}
	DefaultRuntime = []string{"crio", "runtime", "default_runtime"}
	Listen         = []string{"crio", "api", "listen"}
	NRI            = []string{"crio", "nri"}
	Validator      = []string{"crio", "nri", "default_validator"}
)

// Settings are CRI-O's files, merged.
type Settings struct {
	Doc   map[string]any
	Files []string // in the order in which they apply
}

// Load reads the main file, if there is one, and then its drop-ins by name. read
// returns nil where there is no file, and list sorts.
func Load(config, folder string, read func(string) ([]byte, error), list func(string) ([]string, error)) (*Settings, error) {
	s := &Settings{Doc: map[string]any{}}
	names, err := list(folder)
	if err != nil {
		return nil, err
	}
	files := []string{config}
	for _, name := range names {
		files = append(files, path.Join(folder, name))
	}
	for _, name := range files {
		data, err := read(name)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		doc, err := tomledit.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		s.add(name, doc)
	}
	return s, nil
}

// add merges a file over those before it. A later table of a handler replaces an
// earlier one whole; everything else adds up key by key.
func (s *Settings) add(name string, doc map[string]any) {
	s.Files = append(s.Files, name)
	own, _ := tomledit.Get[map[string]any](doc, Runtimes)
	s.Doc = merge(s.Doc, doc)
	all, _ := tomledit.Get[map[string]any](s.Doc, Runtimes)
	maps.Copy(all, own)
}

func merge(to, from map[string]any) map[string]any {
	out := maps.Clone(to)
	for k, v := range from {
		a, _ := out[k].(map[string]any)
		if b, ok := v.(map[string]any); ok {
			v = merge(nonNil(a), b)
		}
		out[k] = v
	}
	return out
}

func nonNil(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// Default is the handler of pods that name none.
func (s *Settings) Default() string {
	if name, _ := tomledit.Get[string](s.Doc, DefaultRuntime); name != "" {
		return name
	}
	return BuiltIn
}

// Handler returns the table of a runtime handler.
func (s *Settings) Handler(name string) (map[string]any, bool) {
	return tomledit.Get[map[string]any](s.Doc, append(slices.Clone(Runtimes), name))
}
