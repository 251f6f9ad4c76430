// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "slices"

// Compact returns the request with those labels and annotations alone that this policy
// reads: what Select answers stays the same.
func (p *Policy) Compact(r *Request) Request {
	out := r.Compact()
	out.Labels = nil
	for _, key := range p.labels {
		if value, ok := r.Labels[key]; ok {
			if out.Labels == nil {
				out.Labels = map[string]string{}
			}
			out.Labels[key] = value
		}
	}
	return out
}

// ReadsLabel reports whether some grant's selector looks at the label.
func (p *Policy) ReadsLabel(key string) bool {
	_, found := slices.BinarySearch(p.labels, key)
	return found
}

// ReadsLabelsOf reports whether this policy reads all labels that the other one reads.
func (p *Policy) ReadsLabelsOf(other *Policy) bool {
	return !slices.ContainsFunc(other.labels, func(key string) bool { return !p.ReadsLabel(key) })
}
