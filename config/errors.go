// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// Error is one thing that is wrong with a policy: where, what, and what to
// write instead.
type Error struct {
	File string
	Line int    // from 1
	Key  string // that it is about, as in profiles.x.sysctls; "" for none
	Text string // what is wrong with the key, and what to write instead
}

// Message is the sentence without its place.
func (e *Error) Message() string {
	if e.Key == "" {
		return e.Text
	}
	return e.Key + " " + e.Text
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message()) }

// Errors is all that is wrong with a policy, by file and line.
type Errors []*Error

// Error returns one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each as an error.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}
