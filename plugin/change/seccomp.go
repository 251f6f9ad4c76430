// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// SeccompRule lets system calls run, or answers them with an errno.
type SeccompRule struct {
	Syscalls  []string                `json:"syscalls"`
	Errno     uint                    `json:"errno,omitempty"`     // its number; 0 lets the call run
	ErrnoName string                  `json:"errnoName,omitempty"` // "EPERM", for messages
	Args      []specs.LinuxSeccompArg `json:"args,omitempty"`      // at most one an argument
}

// Denies reports whether the rule answers with an errno.
func (r SeccompRule) Denies() bool { return r.Errno != 0 }

// KindSeccomp is rules that are merged into the container's own profile. NRI
// replaces a profile, so the runtime must tell the old one.
var KindSeccomp = &Kind{
	Key: "seccomp", Field: "linux.seccomp", Wrapper: true,
	Uses: []Use{{"`seccomp`", DeliversSeccomp | TellsSeccomp}},
	in:   func(a *Adjustment) bool { return len(a.Seccomp) > 0 },
	copy: func(to, from *Adjustment) { to.Seccomp = from.Seccomp },
	list: func(a *Adjustment) (out []Change) {
		for _, r := range a.Seccomp {
			out = append(out, Change{Text: "+ " + r.text(), Only: Adjustment{Seccomp: []SeccompRule{r}}})
		}
		return out
	},
	name: func(*Adjustment) []string { return []string{"seccomp rules"} },
	brief: func(a *Adjustment) (out []string) {
		for _, r := range a.Seccomp {
			answer := "allowed"
			if r.Denies() {
				answer = r.ErrnoName
			}
			out = append(out, fmt.Sprintf("seccomp %s: %s", strings.Join(r.Syscalls, ","), answer))
		}
		return out
	},
	gives:     func(a *Adjustment) bool { return slices.ContainsFunc(a.Seccomp, SeccompRule.allows) },
	takesAway: func(a *Adjustment) bool { return slices.ContainsFunc(a.Seccomp, SeccompRule.Denies) },
}

func (r SeccompRule) allows() bool { return !r.Denies() }

var comparisons = map[specs.LinuxSeccompOperator]string{
	specs.OpNotEqual: "!=", specs.OpLessThan: "<", specs.OpLessEqual: "<=",
	specs.OpEqualTo: "=", specs.OpGreaterEqual: ">=", specs.OpGreaterThan: ">",
}

func (r *SeccompRule) text() string {
	const most = 12 // names, on one line
	text := "allow "
	if r.Denies() {
		text = r.ErrnoName + " for "
	}
	if more := len(r.Syscalls) - most; more > 0 {
		text += fmt.Sprintf("%s and %d more", strings.Join(r.Syscalls[:most], ", "), more)
	} else {
		text += strings.Join(r.Syscalls, ", ")
	}
	var conditions []string
	for _, a := range r.Args {
		if a.Op == specs.OpMaskedEqual {
			conditions = append(conditions, fmt.Sprintf("argument %d & %#o = %#o", a.Index, a.Value, a.ValueTwo))
			continue
		}
		conditions = append(conditions, fmt.Sprintf("argument %d %s %d", a.Index, comparisons[a.Op], a.Value))
	}
	if len(conditions) > 0 {
		text += " where " + strings.Join(conditions, " and ")
	}
	return text
}
