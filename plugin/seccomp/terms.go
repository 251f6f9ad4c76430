// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A term is a conjunction of conditions on a system call's arguments, at most
// one for each argument, ordered by argument: what one rule of a seccomp
// filter can say. A list of terms is their disjunction. The empty term is
// always true, the empty list never.
type term []specs.LinuxSeccompArg

// maxTerms bounds what a rule may become: past it, it is not what its author
// meant. On the way there may be more, which later terms make superfluous.
const (
	maxTerms         = 64
	maxTermsOnTheWay = 4 * maxTerms
)

var errTooMany = fmt.Errorf("needs more than %d rules", maxTerms)

// remainder returns base without what the denied terms match, as terms. It is
// exact: it matches a call if and only if base does and no denied term does.
func remainder(base term, denied []term) ([]term, error) {
	left := []term{base}
	var met []term
	for _, d := range denied {
		var next []term
		for _, t := range left {
			for _, cond := range d {
				for _, not := range negate(cond) {
					var err error
					met = narrow(met[:0], t, not)
					if next, err = absorbAll(next, met); err != nil {
						return nil, err
					}
				}
			}
		}
		left = next
	}
	if len(left) > maxTerms {
		return nil, errTooMany
	}
	return left, nil
}

// absorb adds a term to a disjunction, unless another matches all that it
// does, and removes the terms that it makes superfluous.
func absorb(terms []term, t term) []term {
	if slices.ContainsFunc(terms, func(have term) bool { return implies(t, have) }) {
		return terms
	}
	terms = slices.DeleteFunc(terms, func(have term) bool { return implies(have, t) })
	return append(terms, t)
}

// absorbAll absorbs several terms, as long as they are not too many.
func absorbAll(terms, more []term) ([]term, error) {
	for _, t := range more {
		if terms = absorb(terms, t); len(terms) > maxTermsOnTheWay {
			return nil, errTooMany
		}
	}
	return terms, nil
}

// implies reports whether every call that a matches is also matched by b. It
// may miss that where conditions are of different kinds.
func implies(a, b term) bool {
	for _, cb := range b {
		if !slices.ContainsFunc(a, func(ca specs.LinuxSeccompArg) bool {
			return ca.Index == cb.Index && narrower(ca, cb)
		}) {
			return false
		}
	}
	return true
}

// overlap reports whether a call may match both.
func overlap(a, b term) bool {
	for _, ca := range a {
		for _, cb := range b {
			if ca.Index == cb.Index && len(join(ca, cb)) == 0 {
				return false
			}
		}
	}
	return true
}

// meet returns terms that together match what a and b both match.
func meet(a, b term) ([]term, error) {
	met := []term{a}
	for _, c := range b {
		var next []term
		for _, t := range met {
			next = narrow(next, t, c)
		}
		if len(next) > maxTermsOnTheWay {
			return nil, errTooMany
		}
		met = next
	}
	return met, nil
}

// narrow adds terms to out that together match what t and c both match.
func narrow(out []term, t term, c specs.LinuxSeccompArg) []term {
	i, found := slices.BinarySearchFunc(t, c.Index, func(have specs.LinuxSeccompArg, index uint) int {
		return cmp.Compare(have.Index, index)
	})
	if !found {
		return append(out, slices.Concat(t[:i], term{c}, t[i:]))
	}
	for _, joined := range join(t[i], c) {
		alt := slices.Clone(t)
		alt[i] = joined
		out = append(out, alt)
	}
	return out
}

// holds evaluates a condition, all comparisons being unsigned and 64 bits wide
// as in the kernel's filter.
func holds(c specs.LinuxSeccompArg, value uint64) bool {
	switch c.Op {
	case specs.OpNotEqual:
		return value != c.Value
	case specs.OpEqualTo:
		return value == c.Value
	case specs.OpLessThan:
		return value < c.Value
	case specs.OpLessEqual:
		return value <= c.Value
	case specs.OpGreaterEqual:
		return value >= c.Value
	case specs.OpGreaterThan:
		return value > c.Value
	case specs.OpMaskedEqual:
		return value&c.Value == c.ValueTwo&c.Value
	}
	return false
}
