// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

func (l *linter) seccomp(p *config.Profile, at at) {
	denied := map[string]bool{}
	for _, part := range l.closure(p.Name) {
		for _, r := range part.Seccomp {
			for _, call := range r.Syscalls {
				denied[call] = denied[call] || r.Denies()
			}
		}
	}
	for i, r := range p.Seccomp {
		for n, call := range r.Syscalls {
			key := fmt.Sprintf("seccomp[%d].syscalls[%d]", i, n)
			if !knownSyscall(call) {
				write := "correct the name"
				if near := nearSyscall(call); near != "" {
					write = fmt.Sprintf("did you mean %q?", near)
				}
				l.add("unknown_syscall", at(key), fmt.Sprintf("%s is %q", where(p, key), call), write)
			}
			l.otherWays(p, r, call, denied, at(key))
			l.upperBits(p, i, r, call, at)
		}
	}
}

// upperBits looks at conditions that a caller can walk around: the kernel takes 32 bits
// of an int, and a filter compares 64. A denial that asks for a small number misses the
// same with other upper bits; a permission that asks for any but one lets it through.
func (l *linter) upperBits(p *config.Profile, rule int, r policy.SeccompRule, call string, at at) {
	for n, a := range r.Args {
		if !slices.Contains(intArguments[call], a.Index) {
			continue
		}
		open := false
		switch a.Op {
		case specs.OpEqualTo, specs.OpLessThan, specs.OpLessEqual:
			open = r.Denies()
		case specs.OpNotEqual, specs.OpGreaterThan, specs.OpGreaterEqual:
			open = !r.Denies()
		case specs.OpMaskedEqual:
			open = r.Denies() && a.Value>>32 != 0
		}
		if open {
			l.add("upper_bits", at(fmt.Sprintf("seccomp[%d].args[%d]", rule, n)),
				fmt.Sprintf("%s compares argument %d of %s by %s", where(p, fmt.Sprintf("seccomp[%d]", rule)), a.Index, call, a.Op), maskedWords(a))
		}
	}
}

func maskedWords(a specs.LinuxSeccompArg) string {
	switch a.Op {
	case specs.OpEqualTo:
		return fmt.Sprintf("write op = %q, value = 0xffffffff, value_two = %#x", specs.OpMaskedEqual, a.Value)
	case specs.OpMaskedEqual:
		return fmt.Sprintf("write value = %#x", a.Value&0xffffffff)
	}
	return fmt.Sprintf("write a rule for each number, by op = %q with value = 0xffffffff", specs.OpMaskedEqual)
}

// otherWays looks for calls that do what a denied one does.
func (l *linter) otherWays(p *config.Profile, r policy.SeccompRule, call string, denied map[string]bool, place config.Place) {
	if !r.Denies() {
		return
	}
	var missing []string
	for _, other := range otherCalls(call) {
		if !denied[other] {
			missing = append(missing, fmt.Sprintf("%q", other))
		}
	}
	if len(missing) > 0 {
		l.add("other_call", place, fmt.Sprintf("profile %q denies %q, and not %s", p.Name, call, strings.Join(missing, ", ")),
			"add "+strings.Join(missing, ", "))
	}
}
