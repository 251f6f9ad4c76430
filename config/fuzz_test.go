// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"os"
	"reflect"
	"testing"
)

// FuzzParse holds that no text makes the reader panic, that an error always
// has a place, and that reading twice gives the same.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"testdata/good", "testdata/bad", "samples"} {
		for _, path := range cases(f, folder) {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add(builtInProfiles)
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := Parse("fuzz.toml", data)
		second, again := Parse("fuzz.toml", data)
		if err != nil {
			var all Errors
			if !errors.As(err, &all) || again == nil || err.Error() != again.Error() {
				t.Fatalf("got %v, then %v", err, again)
			}
			for _, one := range all {
				if one.Line < 1 || one.Text == "" {
					t.Errorf("no place: %+v", one)
				}
			}
			return
		}
		if again != nil || first.Hash != second.Hash || !reflect.DeepEqual(first.Profiles, second.Profiles) ||
			!reflect.DeepEqual(first.Grants, second.Grants) || !reflect.DeepEqual(first.Policy, second.Policy) {
			t.Fatalf("reads differently the second time: %v", again)
		}
	})
}
