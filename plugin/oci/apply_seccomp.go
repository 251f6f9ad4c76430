// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/seccomp"
)

// applySeccomp merges rules into the container's seccomp profile. The engine
// says what comes out; here the rules that it left alone keep their text, and
// one that it took names from keeps all but its names.
func applySeccomp(spec *value, a *change.Adjustment) error {
	if len(a.Seccomp) == 0 {
		return nil
	}
	profile, err := spec.lookup("linux", "seccomp")
	if err != nil {
		return err
	}
	var current *specs.LinuxSeccomp
	if profile != nil {
		current = new(specs.LinuxSeccomp)
		if err := profile.decode(current); err != nil {
			return err
		}
	}
	merged, err := seccomp.Apply(current, a.Seccomp, seccomp.Architectures(runtime.GOARCH))
	if err != nil {
		return fmt.Errorf("merging seccomp rules into those of the container: %w", err)
	}
	switch {
	case merged == nil:
		return nil // unconfined, and nothing is denied
	case current == nil:
		_, err := spec.ensureBelow(string(encode(merged)), "linux", "seccomp")
		return err
	case sameRules(current.Syscalls, merged.Syscalls):
		return nil
	}
	list, err := profile.ensure("syscalls", "[]")
	if err != nil {
		return err
	}
	return replaceRules(list, current.Syscalls, merged.Syscalls)
}

// sameRules compares without order, which has no meaning: a profile that was
// merged before comes out in another.
func sameRules(a, b []specs.LinuxSyscall) bool {
	left := slices.Clone(b)
	for _, rule := range a {
		i := slices.IndexFunc(left, func(other specs.LinuxSyscall) bool { return sameRule(rule, other) })
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return len(left) == 0
}

func sameRule(a, b specs.LinuxSyscall) bool {
	return slices.Equal(a.Names, b.Names) && sameButNames(a, b)
}

func sameButNames(a, b specs.LinuxSyscall) bool {
	return a.Action == b.Action && slices.Equal(a.Args, b.Args) && reflect.DeepEqual(a.ErrnoRet, b.ErrnoRet)
}

// replaceRules makes the array, which holds the rules of current, hold those
// of merged. The engine keeps the order of what it keeps.
func replaceRules(list *value, current, merged []specs.LinuxSyscall) error {
	if err := list.open('['); err != nil {
		return err
	}
	at := 0 // the place in the array
	for _, old := range current {
		switch {
		case len(merged) > 0 && sameRule(old, merged[0]):
		case len(merged) > 0 && sameButNames(old, merged[0]) && isWithin(merged[0].Names, old.Names):
			rule := list.kids[at].value
			if err := rule.open('{'); err != nil {
				return err
			}
			rule.set("names", encode(merged[0].Names))
		default:
			list.remove(at)
			continue
		}
		at++
		merged = merged[1:]
	}
	for _, rule := range merged {
		list.add(len(list.kids), encode(rule))
	}
	return nil
}

// isWithin reports whether some are among all, in the same order.
func isWithin(some, all []string) bool {
	for _, one := range all {
		if len(some) > 0 && some[0] == one {
			some = some[1:]
		}
	}
	return len(some) == 0
}
