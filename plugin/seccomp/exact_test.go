// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// answer is what a filter says to a call.
type answer struct {
	action specs.LinuxSeccompAction
	errno  uint
}

func (a answer) runs() bool {
	return slices.Contains([]specs.LinuxSeccompAction{specs.ActAllow, specs.ActLog, specs.ActTrace, specs.ActNotify}, a.action)
}

func answerOf(action specs.LinuxSeccompAction, errno *uint) answer {
	a := answer{action: action}
	if action == specs.ActErrno || action == specs.ActTrace {
		a.errno = 1
		if errno != nil {
			a.errno = *errno
		}
	}
	return a
}

// answers evaluates a profile for one call by brute force, as runc and
// libseccomp do: a rule that says the default is skipped; conditions are all
// to hold, unless two are on one argument, then any; a rule without conditions
// beats those with. Several answers mean that the profile contradicts itself.
func answers(s *specs.LinuxSeccomp, name string, args []uint64) []answer {
	if s == nil {
		return []answer{{action: specs.ActAllow}}
	}
	byDefault := answerOf(s.DefaultAction, s.DefaultErrnoRet)
	var always, matching []answer
	add := func(list []answer, a answer) []answer {
		if slices.Contains(list, a) {
			return list
		}
		return append(list, a)
	}
	for _, rule := range s.Syscalls {
		a := answerOf(rule.Action, rule.ErrnoRet)
		if a == byDefault || !slices.Contains(rule.Names, name) {
			continue
		}
		switch {
		case len(rule.Args) == 0:
			always = add(always, a)
		case matches(rule.Args, args):
			matching = add(matching, a)
		}
	}
	switch {
	case len(always) > 0:
		return always
	case len(matching) > 0:
		return matching
	}
	return []answer{byDefault}
}

func matches(conditions []specs.LinuxSeccompArg, args []uint64) bool {
	seen := map[uint]int{}
	all, some := true, false
	for _, c := range conditions {
		seen[c.Index]++
		v, ok := args[c.Index], false
		switch c.Op {
		case specs.OpEqualTo:
			ok = v == c.Value
		case specs.OpNotEqual:
			ok = v != c.Value
		case specs.OpLessThan:
			ok = v < c.Value
		case specs.OpLessEqual:
			ok = v <= c.Value
		case specs.OpGreaterThan:
			ok = v > c.Value
		case specs.OpGreaterEqual:
			ok = v >= c.Value
		case specs.OpMaskedEqual:
			ok = v&c.Value == c.ValueTwo&c.Value
		}
		all, some = all && ok, some || ok
	}
	for _, n := range seen {
		if n > 1 {
			return some
		}
	}
	return all
}

// The values that arguments and conditions take: small, so that they meet, and
// the ends.
var (
	someValues = []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 1 << 32, math.MaxUint64 - 1, math.MaxUint64}
	someOps    = []specs.LinuxSeccompOperator{specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual,
		specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpMaskedEqual, specs.OpMaskedEqual}
)

type random struct{ *rand.Rand }

func pickOf[T any](r random, from ...T) T { return from[r.IntN(len(from))] }

func (r random) condition(index uint) specs.LinuxSeccompArg {
	c := arg(index, pickOf(r, someOps...), pickOf(r, someValues...), 0)
	if c.Op == specs.OpMaskedEqual {
		c.Value, c.ValueTwo = r.Uint64N(16), r.Uint64N(16)
	}
	return c
}

func (r random) term() []specs.LinuxSeccompArg {
	var out []specs.LinuxSeccompArg
	for _, index := range r.Perm(2)[:r.IntN(3)] {
		out = append(out, r.condition(uint(index)))
	}
	return out
}

func (r random) names() []string { return []string{"a", "b", "c"}[r.IntN(3):] }

func (r random) profile() *specs.LinuxSeccomp {
	if r.IntN(12) == 0 {
		return nil
	}
	s := &specs.LinuxSeccomp{DefaultAction: pickOf(r, specs.ActErrno, specs.ActErrno, specs.ActAllow, specs.ActKillProcess, specs.ActLog)}
	if r.IntN(2) == 0 && s.DefaultAction == specs.ActErrno {
		s.DefaultErrnoRet = ptr(pickOf[uint](r, 1, 38))
	}
	for range r.IntN(4) {
		rule := specs.LinuxSyscall{Names: r.names(), Args: r.term(),
			Action: pickOf(r, specs.ActAllow, specs.ActAllow, specs.ActAllow, specs.ActErrno, specs.ActLog, specs.ActTrap, specs.ActNotify, specs.ActTrace)}
		if rule.Action == specs.ActErrno {
			rule.ErrnoRet = pickOf(r, nil, ptr(uint(1)), ptr(uint(13)))
		}
		if r.IntN(8) == 0 {
			rule.Args = append(rule.Args, r.condition(0), r.condition(0))
		}
		s.Syscalls = append(s.Syscalls, rule)
	}
	return s
}

func (r random) rules() []change.SeccompRule {
	errno := pickOf[uint](r, 1, 5, 38)
	var rules []change.SeccompRule
	for range r.IntN(4) {
		rules = append(rules, change.SeccompRule{Syscalls: r.names(), Args: r.term(), Errno: pickOf(r, 0, errno, errno)})
	}
	return rules
}

// outcome counts what the property has been checked on.
type outcome struct{ refused, blunt, denied, allowed, unchanged, contradicted int }

// checkApply asserts, for every call of a small domain, that Apply is
// exact, and that it changes nothing that it is given.
func checkApply(t testing.TB, before *specs.LinuxSeccomp, rules []change.SeccompRule, count *outcome) {
	t.Helper()
	given := dump(before) + dump(rules)
	after, err := Apply(before, rules, []specs.Arch{specs.ArchX86_64})
	if dump(before)+dump(rules) != given {
		t.Fatalf("changed what it was given:\n%s\nnow %s", given, dump(before)+dump(rules))
	}
	if err != nil {
		count.refused++
		return
	}
	for _, name := range []string{"a", "b", "c"} {
		for _, x := range someValues {
			for _, y := range someValues {
				if !checkCall(before, after, rules, name, []uint64{x, y}, count) {
					t.Fatalf("%s(%d, %d): was %v, is %v\nbefore %s\nrules %s\nafter %s", name, x, y,
						answers(before, name, []uint64{x, y}), answers(after, name, []uint64{x, y}), dump(before), dump(rules), dump(after))
				}
			}
		}
	}
}

func checkCall(before, after *specs.LinuxSeccomp, rules []change.SeccompRule, name string, args []uint64, count *outcome) bool {
	was, is := answers(before, name, args), answers(after, name, args)
	var errno uint
	var denied, allowed bool
	for _, r := range rules {
		if slices.Contains(r.Syscalls, name) && matches(r.Args, args) {
			allowed = allowed || !r.Denies()
			denied = denied || r.Denies()
			errno = max(errno, r.Errno)
		}
	}
	if denied && slices.ContainsFunc(is, answer.runs) {
		return false // the one thing that must never be
	}
	if len(was) > 1 || shadowed(before, name) {
		count.contradicted++
		return true
	}
	switch {
	case denied && was[0].runs():
		count.denied++
		return slices.Equal(is, []answer{{specs.ActErrno, errno}})
	case denied && !slices.Equal(is, was):
		count.blunt++ // too many rules to say it: it keeps failing, with another errno
		return true
	case !denied && allowed && !was[0].runs() && !deniesCall(before, name, args):
		count.allowed++
		return slices.Equal(is, []answer{{action: specs.ActAllow}})
	case !denied && allowed && was[0].runs():
		count.unchanged++ // a call that is logged or traced may be allowed outright
		return slices.Equal(is, was) || before.DefaultAction == specs.ActErrno || before.DefaultAction == specs.ActKillProcess
	}
	count.unchanged++
	return slices.Equal(is, was)
}

// shadowed reports whether a rule without conditions stands beside one with
// another answer, which libseccomp drops: such a profile says two things.
func shadowed(s *specs.LinuxSeccomp, name string) bool {
	if s == nil {
		return false
	}
	var always, sometimes bool
	for _, rule := range effective(s) {
		if slices.Contains(rule.Names, name) {
			always = always || len(rule.Args) == 0
			sometimes = sometimes || len(rule.Args) > 0
		}
	}
	return always && sometimes
}

// deniesCall reports whether a rule of the profile denies the call, which an allow
// does not change; its default it does.
func deniesCall(s *specs.LinuxSeccomp, name string, args []uint64) bool {
	return slices.ContainsFunc(s.Syscalls, func(rule specs.LinuxSyscall) bool {
		return slices.Contains(rule.Names, name) && !answerOf(rule.Action, rule.ErrnoRet).runs() && matches(rule.Args, args)
	})
}

func TestApplyIsExact(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 2))}
	n := 1200
	if testing.Short() {
		n = 150
	}
	var count outcome
	for range n {
		checkApply(t, r.profile(), r.rules(), &count)
	}
	// A property that is checked on nothing proves nothing.
	if count.refused > n/10 || count.blunt > count.denied/40 || min(count.denied, count.allowed, count.unchanged, count.contradicted) < n {
		t.Errorf("checked too little: %+v", count)
	}
	t.Logf("%+v", count)
}

func FuzzApply(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Add(uint64(7), uint64(0))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := random{rand.New(rand.NewPCG(a, b))}
		checkApply(t, r.profile(), r.rules(), &outcome{})
	})
}

// FuzzTerms checks the algebra by itself: what meets, what is left, and what
// implies what, against plain evaluation at and around every value named.
func FuzzTerms(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed, seed, uint8(0), uint64(0))
	}
	f.Fuzz(func(t *testing.T, a, b uint64, op uint8, value uint64) {
		r := random{rand.New(rand.NewPCG(a, b))}
		x, y := sortedTerm(r.term()), sortedTerm(r.term())
		z := term{arg(0, someOps[int(op)%len(someOps)], value, a)}
		values := slices.Concat(someValues, []uint64{value, value + 1, value - 1, a, a & value, r.Uint64()})
		for _, pair := range [][2]term{{x, y}, {x, z}, {z, y}, {z, z}} {
			checkTerms(t, pair[0], pair[1], values)
		}
	})
}

func checkTerms(t *testing.T, x, y term, values []uint64) {
	t.Helper()
	before := fmt.Sprint(x, y)
	met, metErr := meet(x, y)
	implied := implies(x, y)
	left, err := remainder(x, []term{y})
	if got := fmt.Sprint(x, y); got != before {
		t.Fatalf("changed what it was given: %s to %s", before, got)
	}
	if err != nil && len(left) > 0 {
		t.Fatalf("an error came with terms: %v", err)
	}
	anyMatches := func(terms []term, args []uint64) bool {
		return slices.ContainsFunc(terms, func(t term) bool { return matches(t, args) })
	}
	for _, v := range values {
		for _, w := range values {
			args := []uint64{v, w}
			inX, inY := matches(x, args), matches(y, args)
			if got := anyMatches(met, args); metErr == nil && got != (inX && inY) {
				t.Fatalf("meet of %v and %v at %d: %v, by %v", x, y, args, got, met)
			}
			if got := anyMatches(left, args); err == nil && got != (inX && !inY) {
				t.Fatalf("%v without %v at %d: %v, by %v", x, y, args, got, left)
			}
			if implied && inX && !inY {
				t.Fatalf("%v does not imply %v: see %d", x, y, args)
			}
			if inX && inY && !overlap(x, y) {
				t.Fatalf("%v overlaps %v: see %d", x, y, args)
			}
		}
	}
	for _, terms := range [][]term{met, left} {
		for _, m := range terms {
			if !slices.IsSortedFunc(m, func(a, b specs.LinuxSeccompArg) int { return int(a.Index) - int(b.Index) }) || len(alternatives(m)) != 1 {
				t.Fatalf("%v is no term", m)
			}
		}
	}
}
