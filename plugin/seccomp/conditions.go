// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"math"
	"math/bits"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// span is a range of values, both ends in it.
type span struct{ first, last uint64 }

// join returns conditions of which at least one holds exactly when both a and
// b do; all are on the same argument.
func join(a, b specs.LinuxSeccompArg) []specs.LinuxSeccompArg {
	switch maskedA, maskedB := a.Op == specs.OpMaskedEqual, b.Op == specs.OpMaskedEqual; {
	case narrower(a, b):
		return []specs.LinuxSeccompArg{a}
	case narrower(b, a):
		return []specs.LinuxSeccompArg{b}
	case maskedA && maskedB:
		return joinMasked(a, b)
	case maskedA:
		a, b = b, a
		fallthrough
	case maskedB:
		var out []specs.LinuxSeccompArg
		for _, s := range spans(a) {
			for _, block := range s.blocks(a.Index) {
				out = append(out, joinMasked(block, b)...)
			}
		}
		return out
	}
	var out []specs.LinuxSeccompArg
	for _, s := range intersect(spans(a), spans(b)) {
		out = append(out, s.conditions(a.Index)...)
	}
	return out
}

// joinMasked joins two conditions that fix some bits of the value.
func joinMasked(a, b specs.LinuxSeccompArg) []specs.LinuxSeccompArg {
	x, y := a.ValueTwo&a.Value, b.ValueTwo&b.Value
	if common := a.Value & b.Value; x&common != y&common {
		return nil
	}
	a.Value, a.ValueTwo = a.Value|b.Value, x|y
	return []specs.LinuxSeccompArg{a}
}

// narrower reports whether b holds whenever a does. It compares conditions of
// one kind; of two kinds it may miss that.
func narrower(a, b specs.LinuxSeccompArg) bool {
	switch maskedA, maskedB := a.Op == specs.OpMaskedEqual, b.Op == specs.OpMaskedEqual; {
	case a == b:
		return true
	case a.Op == specs.OpEqualTo:
		return holds(b, a.Value)
	case maskedA && maskedB:
		return a.Value&b.Value == b.Value && a.ValueTwo&b.Value == b.ValueTwo&b.Value
	case maskedA || maskedB:
		return false
	}
	return slices.Equal(intersect(spans(a), spans(b)), spans(a))
}

// spans returns the values for which a comparison holds, in order.
func spans(c specs.LinuxSeccompArg) []span {
	var out []span
	below, above := span{0, c.Value - 1}, span{c.Value + 1, math.MaxUint64}
	at := span{c.Value, c.Value}
	switch c.Op {
	case specs.OpLessThan, specs.OpNotEqual:
		if c.Value > 0 {
			out = append(out, below)
		}
	case specs.OpLessEqual:
		out = append(out, span{0, c.Value})
	case specs.OpGreaterEqual:
		out = append(out, span{c.Value, math.MaxUint64})
	case specs.OpEqualTo:
		out = append(out, at)
	}
	if (c.Op == specs.OpGreaterThan || c.Op == specs.OpNotEqual) && c.Value < math.MaxUint64 {
		out = append(out, above)
	}
	return out
}

func intersect(a, b []span) []span {
	var out []span
	for _, x := range a {
		for _, y := range b {
			if s := (span{max(x.first, y.first), min(x.last, y.last)}); s.first <= s.last {
				out = append(out, s)
			}
		}
	}
	return out
}

// conditions says a range in as few conditions as a filter allows: it has no
// "between", so one that is open at neither end is cut into aligned blocks.
func (s span) conditions(index uint) []specs.LinuxSeccompArg {
	switch {
	case s.first == s.last:
		return []specs.LinuxSeccompArg{{Index: index, Value: s.first, Op: specs.OpEqualTo}}
	case s.last == math.MaxUint64:
		return []specs.LinuxSeccompArg{{Index: index, Value: s.first, Op: specs.OpGreaterEqual}}
	case s.first == 0:
		return []specs.LinuxSeccompArg{{Index: index, Value: s.last, Op: specs.OpLessEqual}}
	}
	return s.blocks(index)
}

// blocks says a range in conditions that fix its leading bits.
func (s span) blocks(index uint) []specs.LinuxSeccompArg {
	var out []specs.LinuxSeccompArg
	for first := s.first; ; {
		// The largest block that starts here and does not reach past the end.
		free := min(bits.TrailingZeros64(first), bits.Len64(s.last-first+1)-1)
		if s.last-first == math.MaxUint64 {
			free = 64
		}
		mask := uint64(math.MaxUint64) << free
		out = append(out, specs.LinuxSeccompArg{Index: index, Value: mask, ValueTwo: first, Op: specs.OpMaskedEqual})
		last := first | ^mask
		if last == s.last {
			return out
		}
		first = last + 1
	}
}

// negate returns conditions of which at least one holds exactly when c does
// not. A filter has no "masked and different", so that is said bit by bit.
func negate(c specs.LinuxSeccompArg) []specs.LinuxSeccompArg {
	switch c.Op {
	case specs.OpNotEqual:
		c.Op = specs.OpEqualTo
	case specs.OpEqualTo:
		c.Op = specs.OpNotEqual
	case specs.OpLessThan:
		c.Op = specs.OpGreaterEqual
	case specs.OpGreaterEqual:
		c.Op = specs.OpLessThan
	case specs.OpGreaterThan:
		c.Op = specs.OpLessEqual
	case specs.OpLessEqual:
		c.Op = specs.OpGreaterThan
	default:
		return negateMasked(c)
	}
	c.ValueTwo = 0
	return []specs.LinuxSeccompArg{c}
}

func negateMasked(c specs.LinuxSeccompArg) []specs.LinuxSeccompArg {
	out := make([]specs.LinuxSeccompArg, 0, bits.OnesCount64(c.Value))
	for mask := c.Value; mask != 0; mask &= mask - 1 {
		bit := mask & -mask
		out = append(out, specs.LinuxSeccompArg{Index: c.Index, Value: bit,
			ValueTwo: ^c.ValueTwo & bit, Op: specs.OpMaskedEqual})
	}
	return out
}
