// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A term is a conjunction of conditions on a system call's arguments, at most
// one for each argument, ordered by argument: what one rule of a seccomp
// filter can say. A list of terms is their disjunction. The empty term is
// always true, the empty list never.
type term []specs.LinuxSeccompArg

// errInexpressible is two conditions on one argument that no single condition
// of a filter says together.
var errInexpressible = errors.New("needs two conditions on one argument")

// maxTerms bounds a remainder: past it a rule is not what its author meant.
const maxTerms = 64

// remainder returns base without what the denied terms match, as terms. It is
// exact: it matches a call if and only if base does and no denied term does.
func remainder(base term, denied []term) ([]term, error) {
	left := []term{base}
	for _, d := range denied {
		var next []term
		for _, t := range left {
			for _, cond := range d {
				for _, not := range negate(cond) {
					met, ok, err := meet(t, term{not})
					if err != nil {
						return nil, err
					}
					if ok {
						next = absorb(next, met)
					}
				}
			}
		}
		if len(next) > maxTerms {
			return nil, fmt.Errorf("needs more than %d rules", maxTerms)
		}
		left = next
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

// implies reports whether every call that a matches is also matched by b, as
// far as a comparison of equal and masked conditions tells.
func implies(a, b term) bool {
	for _, cb := range b {
		if !slices.ContainsFunc(a, func(ca specs.LinuxSeccompArg) bool {
			if ca.Index != cb.Index {
				return false
			}
			joined, ok, err := join(ca, cb)
			return err == nil && ok && joined == ca
		}) {
			return false
		}
	}
	return true
}

// overlap reports whether a call may match both; when in doubt, it may.
func overlap(a, b term) bool {
	_, ok, err := meet(a, b)
	return ok || err != nil
}

// meet returns the term that matches what both match; ok is false if that is
// nothing.
func meet(a, b term) (met term, ok bool, err error) {
	met = slices.Clone(a)
	for _, c := range b {
		i, found := slices.BinarySearchFunc(met, c.Index, func(have specs.LinuxSeccompArg, index uint) int {
			return int(have.Index) - int(index)
		})
		if !found {
			met = slices.Insert(met, i, c)
			continue
		}
		if met[i], ok, err = join(met[i], c); !ok || err != nil {
			return nil, false, err
		}
	}
	return met, true, nil
}

// join returns the condition that holds when both do, on the same argument.
func join(a, b specs.LinuxSeccompArg) (joined specs.LinuxSeccompArg, ok bool, err error) {
	switch {
	case a == b:
		return a, true, nil
	case a.Op == specs.OpEqualTo:
		return a, holds(b, a.Value), nil
	case b.Op == specs.OpEqualTo:
		return b, holds(a, b.Value), nil
	case a.Op == specs.OpMaskedEqual && b.Op == specs.OpMaskedEqual:
		a.ValueTwo, b.ValueTwo = a.ValueTwo&a.Value, b.ValueTwo&b.Value
		if common := a.Value & b.Value; a.ValueTwo&common != b.ValueTwo&common {
			return a, false, nil
		}
		a.Value, a.ValueTwo = a.Value|b.Value, a.ValueTwo|b.ValueTwo
		return a, true, nil
	}
	return a, false, fmt.Errorf("%w (argument %d)", errInexpressible, a.Index)
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

// negate returns conditions of which at least one holds exactly when c does
// not. A filter has no "masked and different", so that is said bit by bit.
func negate(c specs.LinuxSeccompArg) []specs.LinuxSeccompArg {
	opposite := map[specs.LinuxSeccompOperator]specs.LinuxSeccompOperator{
		specs.OpNotEqual: specs.OpEqualTo, specs.OpEqualTo: specs.OpNotEqual,
		specs.OpLessThan: specs.OpGreaterEqual, specs.OpGreaterEqual: specs.OpLessThan,
		specs.OpGreaterThan: specs.OpLessEqual, specs.OpLessEqual: specs.OpGreaterThan,
	}
	if op, ok := opposite[c.Op]; ok {
		return []specs.LinuxSeccompArg{{Index: c.Index, Value: c.Value, Op: op}}
	}
	var out []specs.LinuxSeccompArg
	for mask := c.Value; mask != 0; mask &= mask - 1 {
		bit := mask & -mask
		out = append(out, specs.LinuxSeccompArg{Index: c.Index, Value: bit,
			ValueTwo: ^c.ValueTwo & bit, Op: specs.OpMaskedEqual})
	}
	return out
}
