// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

// Known is a fact that may be unknown, which differs from its zero value: a
// runtime that does not tell a container's seccomp profile is not one that
// runs it unconfined.
type Known[T any] struct {
	Value T
	OK    bool
}

// Is wraps a fact that is known to be v.
func Is[T any](v T) Known[T] { return Known[T]{Value: v, OK: true} }
