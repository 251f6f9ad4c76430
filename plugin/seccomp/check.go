// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// Check makes sure that a filter can express what is left of each system call
// once the rules that deny have been taken from it.
func Check(rules []change.SeccompRule) error {
	for _, r := range rules {
		if len(alternatives(r.Args)) > 1 {
			return fmt.Errorf("the rule for %s has two conditions on one argument, which the OCI runtime reads as \"either\": write two rules",
				strings.Join(r.Syscalls, ", "))
		}
	}
	denied := denials(rules)
	for _, name := range sortedKeys(denied) {
		if _, err := remainder(nil, denied[name]); err != nil {
			return fmt.Errorf("what the errno rules leave of %s cannot be written as a filter: %w: write fewer errno rules for it, or fewer conditions", name, err)
		}
	}
	return nil
}

// Overlap reports whether a call may match the conditions of both.
func Overlap(a, b []specs.LinuxSeccompArg) bool { return overlap(a, b) }
