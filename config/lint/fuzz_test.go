// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/config"
)

// FuzzCheck holds that whatever loads can be looked over, that each finding has a
// place, a reason and a remedy, and that looking twice finds the same.
func FuzzCheck(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.toml", "../testdata/good/*.toml", "../samples/*.toml", "../profiles.toml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse("fuzz.toml", text)
		if err != nil {
			return
		}
		found := Check(c)
		for _, one := range found {
			if one.File != "fuzz.toml" || one.Line < 1 || one.What == "" || one.Why == "" || one.Write == "" {
				t.Errorf("incomplete: %+v", one)
			}
		}
		if again := fmt.Sprint(Check(c)); again != fmt.Sprint(found) {
			t.Errorf("%v, then %s", found, again)
		}
	})
}
