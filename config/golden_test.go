// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/policy"
)

var update = flag.Bool("update", false, "write what is read as what is wanted")

// cases lists the policies of a folder: files, and directories with a
// config.toml and its drop-ins.
func cases(t testing.TB, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if e.IsDir() {
			found[e.Name()] = filepath.Join(path, "config.toml")
		} else if name, ok := strings.CutSuffix(e.Name(), ".toml"); ok {
			found[name] = path
		}
	}
	return found
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got != string(want) {
		t.Errorf("%s differs.\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}

func TestGood(t *testing.T) {
	const folder = "testdata/good"
	for name, path := range cases(t, folder) {
		t.Run(name, func(t *testing.T) {
			c, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(folder, name+".json"), shown(t, c, filepath.Dir(path)))
		})
	}
}

// shown is what a golden file holds of a Config: all but what is the same for
// every policy.
func shown(t *testing.T, c *Config, dir string) string {
	t.Helper()
	out := struct {
		Config
		Policy  any `json:",omitempty"`
		Audit   bool
		BuiltIn []string
	}{Config: *c, Audit: c.Policy.Audit()}
	out.Profiles = nil
	for _, p := range c.Profiles {
		if p.BuiltIn {
			out.BuiltIn = append(out.BuiltIn, p.Name)
		} else {
			out.Profiles = append(out.Profiles, p)
		}
	}
	text, err := json.MarshalIndent(out, "", "  ")
	must(t, err)
	return strings.ReplaceAll(string(text), dir+"/", "") + "\n"
}

func TestBad(t *testing.T) {
	const folder = "testdata/bad"
	for name, path := range cases(t, folder) {
		t.Run(name, func(t *testing.T) {
			_, err := Load(path)
			var all Errors
			if !errors.As(err, &all) || len(all) == 0 {
				t.Fatalf("got %v", err)
			}
			for _, one := range all {
				if one.Line < 1 || !strings.Contains(one.Text, ": ") || strings.Contains(one.Text, "%!") {
					t.Errorf("no line, no remedy or badly made: %s", one)
				}
			}
			golden(t, filepath.Join(folder, name+".txt"), strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "")+"\n")
		})
	}
}

// TestSamples loads what the documentation shows.
func TestSamples(t *testing.T) {
	for name, path := range cases(t, "samples") {
		c, err := Load(path)
		if err != nil {
			t.Errorf("%s:\n%v", name, err)
			continue
		}
		for _, p := range c.Profiles {
			if p.Description == "" {
				t.Errorf("%s: profile %q has no description", name, p.Name)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	c, err := Parse("config.toml", []byte("version = 1"))
	must(t, err)
	var names []string
	for _, p := range c.Profiles {
		if !p.BuiltIn || p.Description == "" {
			t.Errorf("profile %q: built in: %t, description %q", p.Name, p.BuiltIn, p.Description)
		}
		names = append(names, p.Name)
	}
	slices.Sort(names)
	if want := []string{"fuse", "fuse-mount", "kvm", "mknod", "no-mknod", "nested", "ping", "systemd", "tun"}; !slices.Equal(names, slices.Sorted(slices.Values(want))) {
		t.Errorf("built in are %q, want %q", names, want)
	}
	s, err := c.Policy.Select(&policy.Request{Namespace: "default", Container: "c"})
	if err != nil || !s.Empty() || c.Policy.Audit() {
		t.Errorf("an empty policy selects %v, %v", s, err)
	}
	if len(c.Hash) != 12 || c.NRI.Index != "90" || !c.Policy.Wrapped("nodegate") {
		t.Errorf("got %+v", c)
	}
}

func TestLoadNothing(t *testing.T) {
	_, err := Load("testdata/none/config.toml")
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "version = 1") {
		t.Errorf("got %v", err)
	}
}
