// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/record"
)

var update = flag.Bool("update", false, "write want.json of the golden folders anew")

func TestGolden(t *testing.T) {
	folders, err := filepath.Glob("testdata/*/config.json")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no golden folders: %v", err)
	}
	for _, file := range folders {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			config, adjustment := readFile(t, file), recordIn(t, dir)
			got, err := Apply(config, adjustment)
			if err != nil {
				t.Fatal(err)
			}
			want := filepath.Join(dir, "want.json")
			if *update {
				if err := os.WriteFile(want, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, readFile(t, want)) {
				t.Errorf("got\n%s\nwant\n%s", got, readFile(t, want))
			}
			again, err := Apply(got, adjustment)
			if err != nil || !bytes.Equal(again, got) {
				t.Errorf("applied twice:\n%s\n(%v), want\n%s", again, err, got)
			}
			if err := json.Unmarshal(got, new(specs.Spec)); err != nil && filepath.Base(dir) != "nothing" {
				t.Errorf("the result is no spec: %v", err)
			}
			if adjustment.Empty() && !bytes.Equal(got, config) {
				t.Error("nothing applies, and yet bytes changed")
			}
		})
	}
}

func recordIn(t *testing.T, dir string) *change.Adjustment {
	t.Helper()
	var r record.Record
	d := json.NewDecoder(bytes.NewReader(readFile(t, filepath.Join(dir, "record.json"))))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	return &r.Adjustment
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
