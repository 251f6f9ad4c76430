// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultRoots are where runc and crun keep their state as root, without --root.
var defaultRoots = []string{"/run/runc", "/run/crun"}

// stateFiles are what they keep there of a container: runc and youki, crun.
var stateFiles = []string{"state.json", "status"}

// runningBundle returns the bundle of a container that runs, as its runtime
// remembers it. CRI-O's exec does not say it in any other way.
func runningBundle(root, id string) (string, error) {
	if id == "." || id == ".." || strings.Contains(id, "/") {
		return "", fmt.Errorf("%q is not a container id", id)
	}
	roots := []string{root}
	if root == "" {
		roots = defaultRoots
	}
	for _, root := range roots {
		for _, name := range stateFiles {
			file := path.Join(root, id, name)
			bundle, err := bundleInState(file, id)
			if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
				continue
			}
			if err != nil {
				return "", err
			}
			if !path.IsAbs(bundle) || !isBundle(bundle) {
				return "", fmt.Errorf("the runtime's state %q names the bundle %q, which holds no %s", file, bundle, specName)
			}
			return bundle, nil
		}
	}
	return "", fmt.Errorf("its runtime keeps no state in %s: pass the --root with which it was created", strings.Join(roots, " or "))
}

// bundleInState reads the bundle from a runtime's state. crun and youki have a
// member of that name. runc has it as the last of the labels, after the
// container's annotations, of which one may be called the same.
func bundleInState(file, id string) (string, error) {
	var st unix.Stat_t
	data, err := readAll(unix.AT_FDCWD, file, maxDocument, &st)
	if err != nil {
		return "", err
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return "", fmt.Errorf("the runtime's state %q can be written by others", file)
	}
	state, err := parseDocument(file, data)
	if err != nil {
		return "", err
	}
	var own, bundle string
	var labels []string
	for _, m := range []struct {
		at   []string
		into any
	}{{[]string{"id"}, &own}, {[]string{"bundle"}, &bundle}, {[]string{"config", "labels"}, &labels}} {
		if err := state.read(m.into, m.at...); err != nil {
			return "", err
		}
	}
	if own != "" && own != id {
		return "", fmt.Errorf("the runtime's state %q is of container %q", file, own)
	}
	if n := len(labels); bundle == "" && n > 0 {
		bundle, _ = strings.CutPrefix(labels[n-1], "bundle=")
	}
	return bundle, nil
}

// isBundle reports whether a directory holds a spec.
func isBundle(dir string) bool {
	info, err := os.Lstat(path.Join(dir, specName))
	return err == nil && info.Mode().IsRegular()
}
