// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
)

// execChangeName is the file in a bundle that says what is to change in every
// process that is started in the container later. containerd makes those from
// a spec of its own, not from the bundle's.
const execChangeName = "nodegate.json"

// execChange is that file.
type execChange struct {
	Version     int    `json:"version"`
	ContainerID string `json:"containerId"`
	processChange
}

// processChange is the part of an adjustment that every process of a container
// is given by its own.
type processChange struct {
	Capabilities change.Capabilities `json:"capabilities"`
	AppArmor     string              `json:"appArmor,omitempty"`
}

func processChangeOf(a *change.Adjustment) processChange {
	return processChange{Capabilities: a.Capabilities, AppArmor: a.AppArmor}
}

func (c *processChange) empty() bool {
	return len(c.Capabilities.Add) == 0 && len(c.Capabilities.Drop) == 0 && c.AppArmor == ""
}

// stageExecChange writes the file, if it does not say so already, and removes
// one that is no longer true.
func stageExecChange(files *staged, id string, change processChange) error {
	if change.empty() {
		if _, err := readAll(files.dir, execChangeName, maxConfig, nil); errors.Is(err, unix.ENOENT) {
			return nil
		}
		return ignoreGone(unix.Unlinkat(files.dir, execChangeName, 0))
	}
	text := append(encode(execChange{Version: 1, ContainerID: id, processChange: change}), '\n')
	if have, err := readAll(files.dir, execChangeName, maxConfig, nil); err == nil && bytes.Equal(have, text) {
		return nil
	}
	return files.write(execChangeName, text, &unix.Stat_t{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0o600})
}

// errOthers says that a bundle is another container's.
var errOthers = errors.New("it is another container's bundle")

// readExecChange reads what create left in the bundle of a container: an empty
// change if it left none, errOthers if what is there is another container's.
func readExecChange(bundle, id string) (processChange, error) {
	var none processChange
	file := path.Join(bundle, execChangeName)
	var st unix.Stat_t
	data, err := readAll(unix.AT_FDCWD, file, maxConfig, &st)
	switch {
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR):
		return none, nil
	case err != nil:
		return none, err
	case int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0:
		return none, fmt.Errorf("%q can be written by others: they could choose capabilities and AppArmor profiles", file)
	}
	var change execChange
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&change); err != nil {
		return none, fmt.Errorf("reading %q: %w", file, err)
	}
	if change.Version != 1 {
		return none, fmt.Errorf("%q: version %d is not 1: it was written by another release of nodegate", file, change.Version)
	}
	if change.ContainerID != id {
		return none, fmt.Errorf("%q is of container %q: %w", file, change.ContainerID, errOthers)
	}
	return change.processChange, nil
}

// adjustProcess changes what is in the file of exec's --process.
func adjustProcess(file string, change processChange) error {
	var st unix.Stat_t
	old, err := readAll(unix.AT_FDCWD, file, maxDocument, &st)
	if err != nil {
		return fmt.Errorf("reading the process to start: %w", err)
	}
	process, err := parseDocument(file, old)
	if err != nil {
		return err
	}
	if err := changeCapabilities(process, change.Capabilities); err != nil {
		return err
	}
	if err := changeAppArmor(process, change.AppArmor); err != nil {
		return err
	}
	changed := process.bytes()
	if bytes.Equal(changed, old) {
		return nil
	}
	files := staged{dir: unix.AT_FDCWD}
	defer files.discard()
	if err = files.write(file, changed, &st); err == nil {
		err = files.commit()
	}
	if err != nil {
		return fmt.Errorf("writing the process to start: %w", &fs.PathError{Op: "write", Path: file, Err: err})
	}
	return nil
}
