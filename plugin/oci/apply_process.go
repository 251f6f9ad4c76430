// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
)

// applyEnv sets environment variables where they stand, and adds the others.
func applyEnv(spec *value, a *change.Adjustment) error {
	if len(a.Env) == 0 {
		return nil
	}
	process, err := processOf(spec)
	if err != nil {
		return err
	}
	env, err := process.ensure("env", "[]")
	if err != nil {
		return err
	}
	have, err := elements[string](env)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		entry, found := name+"="+a.Env[name], false
		for i, old := range have {
			// A variable that is there twice is set twice: the runtime
			// takes the last, other programs the first.
			if strings.HasPrefix(old, name+"=") {
				found = true
				if old != entry {
					env.replace(i, encode(entry))
				}
			}
		}
		if !found {
			env.add(len(env.kids), encode(entry))
		}
	}
	return nil
}

func processOf(spec *value) (*value, error) {
	process, err := spec.member("process")
	if err != nil {
		return nil, err
	}
	if process == nil {
		return nil, fmt.Errorf("%s has no process that could be adjusted", spec.path())
	}
	return process, nil
}

func applyCapabilities(spec *value, a *change.Adjustment) error {
	if len(a.Capabilities.Add) == 0 && len(a.Capabilities.Drop) == 0 {
		return nil
	}
	process, err := processOf(spec)
	if err != nil {
		return err
	}
	if len(a.Capabilities.Add) > 0 {
		// A process without sets has no capabilities.
		if _, err := process.ensure("capabilities", "{}"); err != nil {
			return err
		}
	}
	return changeCapabilities(process, a.Capabilities)
}

// changeCapabilities changes the five sets of a process, if it has any. What is
// added goes to the bounding, permitted and effective sets, and for another
// user than root also to the inheritable and ambient ones: execve clears the
// effective set of such a process otherwise. What is dropped leaves all five.
func changeCapabilities(process *value, change change.Capabilities) error {
	sets, err := process.member("capabilities")
	if sets == nil || err != nil {
		return err
	}
	root, err := runsAsRoot(process)
	if err != nil {
		return err
	}
	for _, name := range []string{"bounding", "effective", "permitted", "inheritable", "ambient"} {
		add := change.Add
		if root && (name == "inheritable" || name == "ambient") {
			add = nil
		}
		if err := changeSet(sets, name, add, change.Drop); err != nil {
			return err
		}
	}
	return nil
}

func runsAsRoot(process *value) (bool, error) {
	var uid uint32
	err := process.read(&uid, "user", "uid")
	return uid == 0, err
}

func changeSet(sets *value, name string, add, drop []string) error {
	set, err := sets.member(name)
	if err != nil {
		return err
	}
	if set == nil {
		add = slices.DeleteFunc(slices.Clone(add), func(c string) bool { return slices.Contains(drop, c) })
		if len(add) == 0 {
			return nil
		}
		set = sets.set(name, []byte("[]"))
	}
	have, err := elements[string](set)
	if err != nil {
		return err
	}
	for i := len(have) - 1; i >= 0; i-- {
		if slices.ContainsFunc(drop, func(c string) bool { return strings.EqualFold(c, have[i]) }) {
			set.remove(i)
		}
	}
	for _, c := range add {
		if !slices.Contains(have, c) && !slices.Contains(drop, c) {
			set.add(len(set.kids), encode(c))
			have = append(have, c)
		}
	}
	return nil
}
