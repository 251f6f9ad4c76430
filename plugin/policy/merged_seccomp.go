// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"

	"github.com/nodegate/nodegate/plugin/seccomp"
)

// mergeRule adds a seccomp rule. Two errnos for calls that both rules match
// are a disagreement; an errno and an allow are not: the errno wins.
func (e *merged) mergeRule(r sourcedRule) *conflict {
	for _, have := range e.seccomp {
		if have.Errno == r.Errno && slices.Equal(have.Args, r.Args) && slices.Equal(have.Syscalls, r.Syscalls) {
			return nil
		}
		if !have.Denies() || !r.Denies() || have.Errno == r.Errno {
			continue
		}
		for _, name := range r.Syscalls {
			if slices.Contains(have.Syscalls, name) && seccomp.Overlap(have.Args, r.Args) {
				return &conflict{"seccomp", fmt.Sprintf("the errno of %s", name), have.profile, r.profile,
					have.ErrnoName, r.ErrnoName}
			}
		}
	}
	e.seccomp = append(e.seccomp, r)
	return nil
}

// checkSeccomp makes sure that a filter can express the rules.
func (e *merged) checkSeccomp() error { return seccomp.Check(e.seccompRules()) }

// ruledByMany reports whether the rules are of several profiles: those of one were checked
// when the policy was loaded.
func (e *merged) ruledByMany() bool {
	return slices.ContainsFunc(e.seccomp, func(r sourcedRule) bool { return r.profile != e.seccomp[0].profile })
}

func (e *merged) seccompRules() []SeccompRule {
	var rules []SeccompRule
	for _, r := range e.seccomp {
		rules = append(rules, r.SeccompRule)
	}
	return rules
}
