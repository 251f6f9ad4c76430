// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// armedFor is how long the kubelet's word holds. The container's creation follows at once.
const armedFor = 2 * time.Minute

// allotted notes the kubelet's word that a container is about to be created with certain
// units: one container can take it, once. It is a directory that two agents share, either
// of which may be asked about the container. Only root can write there.
type allotted struct{ dir string }

// file is named after the units, which no two containers have at a time.
func (a allotted) file(profile string, units []string) string {
	sum := sha256.Sum256([]byte(profile + "\n" + policy.UnitsText(units)))
	return filepath.Join(a.dir, hex.EncodeToString(sum[:]))
}

func (a allotted) arm(profile string, units []string) error {
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return err
	}
	name := a.file(profile, units)
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// take reports whether the units are armed, and disarms them. Of two that ask, one is
// told so.
func (a allotted) take(profile string, units []string) bool {
	name := a.file(profile, units)
	info, err := os.Lstat(name)
	if err != nil || os.Remove(name) != nil {
		return false
	}
	return !worthless(info)
}

// sweep removes what was never taken.
func (a allotted) sweep() {
	entries, _ := os.ReadDir(a.dir) // none, where nothing was armed
	for _, e := range entries {
		if info, err := e.Info(); err == nil && worthless(info) {
			_ = os.Remove(filepath.Join(a.dir, e.Name())) // whether it goes or not
		}
	}
}

// worthless reports whether the word is too old, or from a time yet to come: the clock was
// set back.
func worthless(info os.FileInfo) bool { return time.Since(info.ModTime()).Abs() > armedFor }
