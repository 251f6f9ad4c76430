// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// selector is a label selector for the engine, which links no Kubernetes code.
type selector struct{ labels.Selector }

// parseSelector returns nil for the empty selector: it selects every pod.
func parseSelector(text string) (*selector, error) {
	s, err := labels.Parse(text)
	if err != nil || s.Empty() {
		return nil, err
	}
	return &selector{s}, nil
}

func (s *selector) Matches(pod map[string]string) bool { return s.Selector.Matches(labels.Set(pod)) }

// Label returns the label of the first requirement that names one value.
func (s *selector) Label() (key, value string, ok bool) {
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		switch r.Operator() {
		case selection.Equals, selection.DoubleEquals, selection.In:
			if values := r.ValuesUnsorted(); len(values) == 1 {
				return r.Key(), values[0], true
			}
		}
	}
	return "", "", false
}

// Keys returns the labels of all requirements.
func (s *selector) Keys() []string {
	var keys []string
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		keys = append(keys, r.Key())
	}
	return keys
}

// MarshalText writes the selector as a policy does.
func (s *selector) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// selectorWords shortens an error of the parser: it names a path that is none
// here, and quotes regular expressions.
func selectorWords(err error) string {
	text := strings.ReplaceAll(err.Error(), "<nil>: ", "")
	text, _, _ = strings.Cut(text, " (e.g. ")
	return text
}
