// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// Apply returns the container's seccomp profile with the rules merged
// in; current is nil for an unconfined container. Neither argument is changed.
// archs are the machine's architectures, named in a profile that has to be
// made from nothing: a call of another architecture would pass by it.
//
// Denials are exact: what a rule denies is taken out of whatever lets it run,
// and all else is answered as before. A denial beats an allow, and what the
// container's own profile denies stays denied.
func Apply(current *specs.LinuxSeccomp, rules []change.SeccompRule, archs []specs.Arch) (*specs.LinuxSeccomp, error) {
	denied := denials(rules)
	if current == nil {
		if len(denied) == 0 {
			return nil, nil // unconfined already allows everything
		}
		current = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: archs}
	}
	out := *current
	var err error
	if out.Syscalls, err = withhold(current.Syscalls, denied); err != nil {
		return nil, err
	}
	if !letsRun(current.DefaultAction) {
		if out.Syscalls, err = allow(out.Syscalls, rules, denied); err != nil {
			return nil, err
		}
	}
	out.Syscalls = append(out.Syscalls, denialRules(current, rules)...)
	return &out, nil
}

// denials collects, for each system call, what the rules deny of it.
func denials(rules []change.SeccompRule) map[string][]term {
	denied := map[string][]term{}
	for _, r := range rules {
		if !r.Denies() {
			continue
		}
		for _, name := range r.Syscalls {
			denied[name] = append(denied[name], sortedTerm(r.Args))
		}
	}
	return denied
}

// withhold takes what is denied out of the rules that let a call run. libseccomp
// does not let a later rule override an earlier one, so the name has to leave
// the earlier rule; what was allowed and is not denied is allowed again.
func withhold(syscalls []specs.LinuxSyscall, denied map[string][]term) ([]specs.LinuxSyscall, error) {
	var kept, again []specs.LinuxSyscall
	for _, rule := range syscalls {
		if !letsRun(rule.Action) || !slices.ContainsFunc(rule.Names, func(n string) bool { return denied[n] != nil }) {
			kept = append(kept, rule)
			continue
		}
		rest := rule
		rest.Names = make([]string, 0, len(rule.Names))
		for _, name := range rule.Names {
			if denied[name] == nil {
				rest.Names = append(rest.Names, name)
				continue
			}
			for _, base := range alternatives(rule.Args) {
				terms, err := remainder(base, denied[name])
				if err != nil {
					return nil, fmt.Errorf("what is left of %s under the container's own seccomp profile: %w", name, err)
				}
				for _, t := range terms {
					again = append(again, specs.LinuxSyscall{Names: []string{name},
						Action: rule.Action, ErrnoRet: rule.ErrnoRet, Args: t})
				}
			}
		}
		if len(rest.Names) > 0 {
			kept = append(kept, rest)
		}
	}
	return append(kept, again...), nil
}

// allow adds what the rules allow, less what they or the container's own
// profile deny.
func allow(syscalls []specs.LinuxSyscall, rules []change.SeccompRule, denied map[string][]term) ([]specs.LinuxSyscall, error) {
	own := syscalls
	for _, r := range rules {
		if r.Denies() {
			continue
		}
		for _, name := range r.Syscalls {
			stays := slices.Concat(denied[name], termsOf(own, name, denies))
			terms, err := remainder(sortedTerm(r.Args), stays)
			if err != nil {
				return nil, fmt.Errorf("what can be allowed of %s beside what is denied: %w", name, err)
			}
			for _, t := range terms {
				if allowed := termsOf(syscalls, name, letsRun); slices.ContainsFunc(allowed, func(a term) bool { return implies(t, a) }) {
					continue
				}
				syscalls = append(syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow, Args: t})
			}
		}
	}
	return syscalls, nil
}

// denialRules returns the errno rules: what the container's profile lets run
// gets the errno, and what it denies already keeps the answer that it has.
func denialRules(current *specs.LinuxSeccomp, rules []change.SeccompRule) []specs.LinuxSyscall {
	var out []specs.LinuxSyscall
	for _, r := range rules {
		if !r.Denies() || isDefault(current, specs.ActErrno, &r.Errno) {
			continue
		}
		for _, name := range r.Syscalls {
			for _, t := range runs(current, name, sortedTerm(r.Args)) {
				out = addDenial(out, name, r.Errno, t)
			}
		}
	}
	return out
}

// runs returns what a profile lets run of the calls that a term matches. Where
// that takes too many rules it is more, up to the whole term: no harm, since
// what the profile lets run of it has been withheld by then.
func runs(s *specs.LinuxSeccomp, name string, t term) []term {
	left := []term{t}
	if !letsRun(s.DefaultAction) {
		left = nil
		for _, allowed := range termsOf(effective(s), name, letsRun) {
			both, err := meet(t, allowed)
			if err == nil {
				left, err = absorbAll(left, both)
			}
			if err != nil || len(left) > maxTerms {
				left = []term{t}
				break
			}
		}
	}
	for _, own := range termsOf(effective(s), name, denies) {
		var next []term
		for _, base := range left {
			rest, err := remainder(base, []term{own})
			if err != nil {
				rest = []term{base}
			}
			if next, err = absorbAll(next, rest); err != nil {
				next = left
				break
			}
		}
		left = next
	}
	return left
}

// addDenial adds an errno rule, or only the name to one that says the same:
// libseccomp takes no rule twice.
func addDenial(out []specs.LinuxSyscall, name string, errno uint, t term) []specs.LinuxSyscall {
	for i := range out {
		if *out[i].ErrnoRet != errno || !slices.Equal(out[i].Args, t) {
			continue
		}
		if !slices.Contains(out[i].Names, name) {
			out[i].Names = append(out[i].Names, name)
		}
		return out
	}
	return append(out, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActErrno, ErrnoRet: &errno, Args: t})
}

// effective returns the rules of a profile that the OCI runtime loads: it
// skips one that answers as the profile does by default.
func effective(s *specs.LinuxSeccomp) []specs.LinuxSyscall {
	var out []specs.LinuxSyscall
	for _, rule := range s.Syscalls {
		if !isDefault(s, rule.Action, rule.ErrnoRet) {
			out = append(out, rule)
		}
	}
	return out
}

// isDefault reports whether an answer is what the profile gives by default.
// runc leaves such a rule out, and libseccomp refuses it.
func isDefault(s *specs.LinuxSeccomp, action specs.LinuxSeccompAction, errno *uint) bool {
	if s.DefaultAction != action {
		return false
	}
	if action != specs.ActErrno && action != specs.ActTrace {
		return true
	}
	number := func(p *uint) uint {
		if p == nil {
			return 1 // EPERM, the runtime-spec's default
		}
		return *p
	}
	return number(s.DefaultErrnoRet) == number(errno)
}

// termsOf returns what the rules with such an action say of a system call.
func termsOf(syscalls []specs.LinuxSyscall, name string, action func(specs.LinuxSeccompAction) bool) []term {
	var out []term
	for _, rule := range syscalls {
		if action(rule.Action) && slices.Contains(rule.Names, name) {
			out = append(out, alternatives(rule.Args)...)
		}
	}
	return out
}

// letsRun reports whether the action can end with the call being run. A tracer
// and a listener may decide so; a profile of ours must not depend on them.
func letsRun(a specs.LinuxSeccompAction) bool {
	switch a {
	case specs.ActAllow, specs.ActLog, specs.ActTrace, specs.ActNotify:
		return true
	}
	return false
}

func denies(a specs.LinuxSeccompAction) bool { return !letsRun(a) }

// alternatives reads a rule's conditions as runc does: all must hold, unless
// two are on one argument; then each stands for itself.
func alternatives(args []specs.LinuxSeccompArg) []term {
	t := sortedTerm(args)
	for i := 1; i < len(t); i++ {
		if t[i].Index == t[i-1].Index {
			out := make([]term, len(t))
			for j := range t {
				out[j] = term{t[j]}
			}
			return out
		}
	}
	return []term{t}
}

func sortedTerm(args []specs.LinuxSeccompArg) term {
	return slices.SortedStableFunc(slices.Values(args), func(a, b specs.LinuxSeccompArg) int {
		return cmp.Compare(a.Index, b.Index)
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
