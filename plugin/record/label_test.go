// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// The store and what is in it get the label of the runtime's directory; without a label
// there nothing is made or changed.
func TestLabelLike(t *testing.T) {
	s := newStore(t)
	theirs := t.TempDir()
	must(t, s.LabelLike(theirs))
	if _, err := os.Stat(s.stateDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("made without need: %v", err)
	}
	const label = "system_u:object_r:container_runtime_t:s0\x00"
	must(t, unix.Setxattr(theirs, labelName, []byte(label), 0))
	must(t, s.Write(full(t, "c1")))
	for range 2 { // the second time there is nothing to do
		must(t, s.LabelLike(theirs))
		for _, path := range []string{s.stateDir, filepath.Join(s.stateDir, folder), s.Path("c1")} {
			if got, err := labelOf(path); err != nil || string(got) != label {
				t.Errorf("%s has %q, %v", path, got, err)
			}
		}
	}
	if got, err := s.Read("c1"); err != nil || got.ContainerID != "c1" {
		t.Errorf("the record is %+v, %v", got, err)
	}
	wantError(t, s.LabelLike(theirs+"/absent"), "SELinux label")
}
