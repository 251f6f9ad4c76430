// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
)

// mergeRule adds a seccomp rule. Two errnos for calls that both rules match
// are a disagreement; an errno and an allow are not: the errno wins.
func (e *effects) mergeRule(r sourcedRule) *conflict {
	for _, have := range e.seccomp {
		if have.Errno == r.Errno && slices.Equal(have.Args, r.Args) && slices.Equal(have.Syscalls, r.Syscalls) {
			return nil
		}
		if !have.Denies() || !r.Denies() || have.Errno == r.Errno {
			continue
		}
		for _, name := range r.Syscalls {
			if slices.Contains(have.Syscalls, name) && overlap(have.Args, r.Args) {
				return &conflict{"seccomp", fmt.Sprintf("the errno of %s", name), have.profile, r.profile,
					have.ErrnoName, r.ErrnoName}
			}
		}
	}
	e.seccomp = append(e.seccomp, r)
	return nil
}

// checkSeccomp makes sure that a filter can express what is left of each
// system call once the errno rules have been taken from it.
func (e *effects) checkSeccomp() error {
	for _, r := range e.seccomp {
		if len(alternatives(r.Args)) > 1 {
			return fmt.Errorf("the rule for %s has two conditions on one argument, which the OCI runtime reads as \"either\": write two rules",
				strings.Join(r.Syscalls, ", "))
		}
	}
	denied := denials(e.seccompRules())
	for _, name := range sortedKeys(denied) {
		if _, err := remainder(nil, denied[name]); err != nil {
			return fmt.Errorf("what the errno rules leave of %s cannot be written as a filter: %w", name, err)
		}
	}
	return nil
}

func (e *effects) seccompRules() []SeccompRule {
	var rules []SeccompRule
	for _, r := range e.seccomp {
		rules = append(rules, r.SeccompRule)
	}
	return rules
}
