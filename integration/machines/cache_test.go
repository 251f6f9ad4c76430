// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// names are what a cache's folder holds, but for its locks.
func names(t *testing.T, c cache) []string {
	t.Helper()
	entries, err := os.ReadDir(string(c))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".lock" {
			all = append(all, e.Name())
		}
	}
	return all
}

// Two runs at once make a thing once, what a killed run or an older key has left goes, and
// what could not be made leaves nothing.
func TestCache(t *testing.T) {
	c := cache(t.TempDir())
	for _, left := range []string{".new-thing.d", "thing@old", "thing-else@old"} {
		if err := os.MkdirAll(filepath.Join(string(c), left, "half"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var made atomic.Int32
	var runs sync.WaitGroup
	for range 2 {
		runs.Go(func() {
			dir, err := c.entry("thing", "new", func(dir string) error {
				made.Add(1)
				return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
			})
			if err != nil || !exists(filepath.Join(dir, "file")) {
				t.Errorf("%q: %v", dir, err)
			}
		})
	}
	runs.Wait()
	if got, want := names(t, c), []string{"thing-else@old", "thing@new"}; made.Load() != 1 || !slices.Equal(got, want) {
		t.Errorf("made %d times; there are %q, want %q", made.Load(), got, want)
	}
	no := errors.New("no")
	_, err := c.entry("other", "new", func(dir string) error {
		return errors.Join(no, os.WriteFile(filepath.Join(dir, "half"), nil, 0o600))
	})
	if got, want := names(t, c), []string{"thing-else@old", "thing@new"}; !errors.Is(err, no) || !slices.Equal(got, want) {
		t.Errorf("%v; there are %q, want %q", err, got, want)
	}
}
