// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// merged is the sum of one or more profiles: what a container gets from them
// together. Each value remembers the profile that it comes from, so that a
// disagreement can be named.
type merged struct {
	requires         Requires
	requiredBy       map[string]string // "user_namespace", "cgroup" → profile
	devices          []sourcedDevice
	live             []sourcedDevice
	oneOf            []sourcedOneOf
	deviceRules      []specs.LinuxDeviceCgroup
	cdiDevices       []string
	adoptDevicesBy   string // the profile that asks for it, or ""
	capabilities     Capabilities
	seccomp          []sourcedRule
	sysctls, env     map[string]sourced
	rlimits, tmpfs   map[string]sourced
	cgroupWritableBy string // as above
	procUnmasked     bool
	appArmor         sourced
}

// sourced is a value, the profile that it comes from, and the profile that the
// pod asked for to get it: the same, one that includes it, or "" for none.
type sourced struct{ value, profile, asked string }

type sourcedDevice struct {
	rule      DeviceRule
	profile   string
	exclusive bool // each device that it finds is a unit of the profile
}

type sourcedOneOf struct {
	selectors []DeviceSelector
	profile   string
}

type sourcedRule struct {
	SeccompRule
	profile string
}

// conflict is a disagreement of two profiles on one value.
type conflict struct {
	key  string // the TOML key of a profile
	what string
	a, b string // profile names; equal for a profile that contradicts itself
	x, y string // the values
}

func (c *conflict) Error() string {
	if c.a == c.b {
		return fmt.Sprintf("%s is both %s and %s", c.what, c.x, c.y)
	}
	return fmt.Sprintf("profiles %q and %q disagree on %s (%s, %s)", c.a, c.b, c.what, c.x, c.y)
}

// mergedOf returns what a profile does by itself, without its includes.
func mergedOf(p *Profile) merged {
	e := merged{requires: p.Requires, requiredBy: map[string]string{}}
	if p.Requires.UserNamespace {
		e.requiredBy["user_namespace"] = p.Name
	}
	if p.Requires.Cgroup != "" {
		e.requiredBy["cgroup"] = p.Name
	}
	for i := range kinds {
		kinds[i].own(&e, p)
	}
	return e
}

func source(values map[string]string, profile string) map[string]sourced {
	out := make(map[string]sourced, len(values))
	for k, v := range values {
		out[k] = sourced{value: v, profile: profile}
	}
	return out
}

// merge adds other to e and returns the first disagreement, if there is one.
// other is not changed, nor is anything that it shares with e later. asked is
// the profile that the pod asked for to get other, if it did.
func (e *merged) merge(other *merged, asked string) *conflict {
	e.requires.UserNamespace = e.requires.UserNamespace || other.requires.UserNamespace
	if c := e.mergeRequiredCgroup(other); c != nil {
		return c
	}
	if e.requiredBy == nil {
		e.requiredBy = map[string]string{}
	}
	for k, v := range other.requiredBy {
		e.requiredBy[k] = v
	}
	for i := range kinds {
		if c := kinds[i].merge(e, other, asked); c != nil {
			return c
		}
	}
	return nil
}

func (e *merged) mergeRequiredCgroup(other *merged) *conflict {
	have, want := e.requires.Cgroup, other.requires.Cgroup
	if have != "" && want != "" && have != want {
		return &conflict{"requires.cgroup", "the cgroup version", e.requiredBy["cgroup"],
			other.requiredBy["cgroup"], string(have), string(want)}
	}
	if have == "" {
		e.requires.Cgroup = want
	}
	return nil
}

func mergeValues(into *map[string]sourced, from map[string]sourced, asked, key, kind string) *conflict {
	if *into == nil && len(from) > 0 {
		*into = map[string]sourced{}
	}
	for _, name := range sortedKeys(from) {
		v := from[name]
		have, ok := (*into)[name]
		if ok && have.value != v.value {
			return &conflict{key, fmt.Sprintf("%s %q", kind, name), have.profile, v.profile,
				fmt.Sprintf("%q", have.value), fmt.Sprintf("%q", v.value)}
		}
		v.asked = cmp.Or(have.asked, asked)
		(*into)[name] = v
	}
	return nil
}

// union appends what is new, to a slice of its own.
func union[T any](into, from []T, same func(a, b T) bool) []T {
	into = slices.Clip(into)
	for _, v := range from {
		if !slices.ContainsFunc(into, func(have T) bool { return same(have, v) }) {
			into = append(into, v)
		}
	}
	return into
}

func same(a, b string) bool { return a == b }

func sameRule(a, b specs.LinuxDeviceCgroup) bool {
	return a.Allow == b.Allow && a.Type == b.Type && a.Access == b.Access &&
		sameNumber(a.Major, b.Major) && sameNumber(a.Minor, b.Minor)
}

func sameNumber(a, b *int64) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
