// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"strings"
	"testing"
)

func TestParseSettings(t *testing.T) {
	got, err := ParseSettings("runc.toml", []byte(`version = 1`))
	if err != nil || got.Path != "runc" || got.StateDir != "/run/nodegate" || len(got.Exempt) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = ParseSettings("runc.toml", []byte("version = 1\npath = \"/usr/bin/crun\"\nstate_dir = \"/x\"\nexempt_namespaces = [\"kube-system\"]\n"))
	if err != nil || got.Path != "/usr/bin/crun" || got.StateDir != "/x" || got.Exempt[0] != "kube-system" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParseSettingsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                         "runc.toml: the version is missing: write version = 1",
		"version = 2":                              "version 2 is not known: write version = 1",
		"version = \"1\"":                          "runc.toml:1: ",
		"version = 1\npath = [":                    "runc.toml:2: ",
		"version = 1\n\nruntime = \"x\"":           `runc.toml:3: there is no key "runtime": write version, path,`,
		"version = 1\npath = \"\"":                 "write the name of the OCI runtime",
		"version = 1\npath = \"bin/runc\"":         "its absolute path",
		"version = 1\nstate_dir = \"run\"":         "write an absolute path",
		"version = 1\nexempt_namespaces=[\"*\"]":   "globs are not supported",
		"version = 1\nversion = 1":                 "runc.toml",
		"version = 1\nruntimes = 1":                "runc.toml:2: runtimes",
		"version = 1\n[runtimes]\nx = 1":           "runc.toml:3: ",
		"version = 1\n[runtimes]\nx = \"\"":        `runtimes: x = ""`,
		"version = 1\n[runtimes]\nx = \"a/b\"":     `runtimes: x = "a/b"`,
		"version = 1\n[runtimes]\n\"a/b\" = \"c\"": `runtimes: a/b = "c"`,
		"version = 1\nstrict = \"yes\"":            "runc.toml:2: strict is not of the right type: write it like strict = true",
	} {
		if _, err := ParseSettings("runc.toml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
