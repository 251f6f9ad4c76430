// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"iter"
	"maps"
	"slices"
)

// grantIndex finds the grants that concern a namespace without looking at the
// others. Exact names are looked up; a glob is filed under the text that it
// begins or ends with, whichever is longer and so tells more, and only globs
// that can match are tried. A glob without either ("*") is always tried.
type grantIndex struct {
	exact          map[string]*bucket
	prefix, suffix affixIndex
	rest           []*globBucket
}

// affixIndex files globs under a literal affix. A lookup takes one step for
// each distinct length, of which a namespace's 63 characters allow few.
type affixIndex struct {
	lengths []int
	globs   map[string][]*globBucket
}

type globBucket struct {
	glob string
	bucket
}

// bucket holds the grants of one namespace pattern.
type bucket struct {
	always    grantSet
	byProfile map[string]*grantSet
	accepting grantSet     // those that accept third-party annotations
	accepts   thirdParties // and which, all together
}

// grantSet splits grants once more: those whose selector implies a label are
// only tried for pods that carry it.
type grantSet struct {
	any     []*grant
	byLabel map[[2]string][]*grant
}

func newGrantIndex(grants []*grant) *grantIndex {
	ix := &grantIndex{exact: map[string]*bucket{}}
	globs := map[string]*globBucket{}
	for _, g := range grants {
		for _, pattern := range g.Namespaces {
			ix.bucketFor(globs, pattern).add(g)
		}
	}
	return ix
}

func (ix *grantIndex) bucketFor(globs map[string]*globBucket, pattern string) *bucket {
	prefix, suffix, whole := literalEnds(pattern)
	if whole {
		if ix.exact[pattern] == nil {
			ix.exact[pattern] = &bucket{}
		}
		return ix.exact[pattern]
	}
	if b := globs[pattern]; b != nil {
		return &b.bucket
	}
	b := &globBucket{glob: pattern}
	globs[pattern] = b
	switch {
	case prefix == "" && suffix == "":
		ix.rest = append(ix.rest, b)
	case len(prefix) >= len(suffix):
		ix.prefix.add(prefix, b)
	default:
		ix.suffix.add(suffix, b)
	}
	return &b.bucket
}

func (a *affixIndex) add(affix string, b *globBucket) {
	if a.globs == nil {
		a.globs = map[string][]*globBucket{}
	}
	a.globs[affix] = append(a.globs[affix], b)
	if !slices.Contains(a.lengths, len(affix)) {
		a.lengths = append(a.lengths, len(affix))
	}
}

func (b *bucket) add(g *grant) {
	if g.Always {
		b.always.add(g)
	}
	if g.accepts != 0 {
		b.accepting.add(g)
		b.accepts |= g.accepts
	}
	if b.byProfile == nil {
		b.byProfile = map[string]*grantSet{}
	}
	for _, name := range g.Profiles {
		set := b.byProfile[name]
		if set == nil {
			set = &grantSet{}
			b.byProfile[name] = set
		}
		set.add(g)
	}
}

func (s *grantSet) add(g *grant) {
	if g.Pods != nil {
		if key, value, ok := g.Pods.Label(); ok {
			if s.byLabel == nil {
				s.byLabel = map[[2]string][]*grant{}
			}
			label := [2]string{key, value}
			s.byLabel[label] = append(s.byLabel[label], g)
			return
		}
	}
	s.any = append(s.any, g)
}

// buckets yields the buckets whose pattern matches the namespace.
func (ix *grantIndex) buckets(namespace string) iter.Seq[*bucket] {
	return func(yield func(*bucket) bool) {
		if b := ix.exact[namespace]; b != nil && !yield(b) {
			return
		}
		try := func(globs []*globBucket) bool {
			for _, b := range globs {
				if matchGlob(b.glob, namespace) && !yield(&b.bucket) {
					return false
				}
			}
			return true
		}
		for _, n := range ix.prefix.lengths {
			if n <= len(namespace) && !try(ix.prefix.globs[namespace[:n]]) {
				return
			}
		}
		for _, n := range ix.suffix.lengths {
			if n <= len(namespace) && !try(ix.suffix.globs[namespace[len(namespace)-n:]]) {
				return
			}
		}
		try(ix.rest)
	}
}

// candidates yields the grants that the pod's labels do not rule out at once.
func (s *grantSet) candidates(labels map[string]string) iter.Seq[*grant] {
	return func(yield func(*grant) bool) {
		for _, g := range s.any {
			if !yield(g) {
				return
			}
		}
		if len(s.byLabel) == 0 {
			return
		}
		for k, v := range labels {
			for _, g := range s.byLabel[[2]string{k, v}] {
				if !yield(g) {
					return
				}
			}
		}
	}
}

// all yields every grant of the set; for the words of a refusal.
func (s *grantSet) all() iter.Seq[*grant] {
	return func(yield func(*grant) bool) {
		for _, list := range append(slices.Collect(maps.Values(s.byLabel)), s.any) {
			for _, g := range list {
				if !yield(g) {
					return
				}
			}
		}
	}
}
