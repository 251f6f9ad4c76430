// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// compileProfiles resolves includes. A profile that has a problem of its own
// stays in the result, so that a grant of it is not reported as well.
func compileProfiles(list []Profile) (map[string]*profile, []error) {
	c := compiler{written: map[string]*Profile{}, done: map[string]*profile{}}
	for i := range list {
		name := list[i].Name
		if c.written[name] != nil {
			c.bad(name, "", "is written twice: keep one, or give the other another name")
			continue
		}
		c.written[name] = &list[i]
	}
	for i := range list {
		c.compile(list[i].Name, nil)
	}
	return c.done, c.problems
}

type compiler struct {
	written  map[string]*Profile
	done     map[string]*profile
	problems []error
}

func (c *compiler) bad(profile, key, format string, args ...any) {
	c.problems = append(c.problems, &Problem{Profile: profile, Key: key, Text: fmt.Sprintf(format, args...)})
}

// compile returns the profile with everything that it includes. path holds the
// profiles that are being compiled, to notice a cycle.
func (c *compiler) compile(name string, path []string) *profile {
	if done := c.done[name]; done != nil {
		return done
	}
	out := &profile{Profile: *c.written[name]}
	outline := out.Outline()
	out.takesAway = outline.TakesAway()
	path = append(path, name)
	for i, inc := range out.Include {
		key := fmt.Sprintf("include[%d]", i)
		switch {
		case c.written[inc] == nil:
			c.bad(name, key, "no profile is called %q", inc)
		case c.written[inc].Resource.Exclusive:
			c.bad(name, key, "%q gives each of its devices to one container, and whoever got this profile would get them all: include a profile without resource.exclusive", inc)
		case slices.Contains(path, inc):
			c.bad(name, key, "includes itself: %s: leave one of these includes out", strings.Join(append(path, inc), " → "))
		default:
			included := c.compile(inc, path)
			out.takesAway = out.takesAway || included.takesAway
			if conflict := out.merged.merge(&included.merged, ""); conflict != nil {
				c.bad(name, key, "%s: include only one of them", conflict)
			}
		}
	}
	own := mergedOf(&out.Profile)
	if conflict := own.twice(); conflict != "" {
		c.bad(name, "devices", "%s: name it once", conflict)
	}
	if conflict := out.merged.merge(&own, ""); conflict != nil {
		c.bad(name, conflict.key, "%s: write one of them", conflict)
	}
	if err := out.merged.checkSeccomp(); err != nil {
		c.bad(name, "seccomp", "%s", err)
	}
	if out.merged.procUnmasked && !out.merged.requires.UserNamespace {
		c.bad(name, "proc_mount", `an unmasked /proc gives the node's kernel settings to a container that shares its user namespace: add requires = { user_namespace = true }`)
	}
	c.checkResource(out)
	out.definition = c.definition(out)
	c.done[name] = out
	return out
}

// definition is a hash of all that the profile gives, included profiles too.
// It is no secret and no proof: it tells what a container was given from what
// the same name stands for since.
func (c *compiler) definition(p *profile) string {
	sum := fnv.New64a()
	own := p.Profile
	own.Description = ""
	own.Resource.Slots = 0 // is no matter of what a container gets
	text, err := json.Marshal(own)
	if err != nil { // nothing in a Profile can fail
		return ""
	}
	_, _ = sum.Write(text) // never fails
	for _, name := range p.Include {
		if included := c.done[name]; included != nil {
			_, _ = sum.Write([]byte(included.definition))
		}
	}
	return fmt.Sprintf("%016x", sum.Sum64())
}
