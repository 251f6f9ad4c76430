// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tomledit

import (
	"bytes"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

type kind int

const (
	keyValue kind = iota
	table
	other // in or at an array of tables
)

// statement is a heading or a key with its value, with all of its lines.
type statement struct {
	kind       kind
	path       []string // from the top
	indent     string
	start, end int    // of its lines, the last one's end included
	eol        string // "" at the end of a document without one
	// Of a value that is neither a list nor a table; else valueEnd is 0.
	valueStart, valueEnd int
}

func find(all []statement, k kind, path []string) *statement {
	for i := range all {
		if all[i].kind == k && slices.Equal(all[i].path, path) {
			return &all[i]
		}
	}
	return nil
}

// statements splits a document that parses.
func statements(src []byte) []statement {
	var p unstable.Parser
	p.Reset(src)
	var all []statement
	var heading []string
	arrays := [][]string{}
	inArray := false
	for p.NextExpression() {
		e := p.Expression()
		var path []string
		first, last := -1, 0
		for it := e.Key(); it.Next(); {
			path = append(path, string(it.Node().Data))
			if first < 0 {
				first = int(it.Node().Raw.Offset)
			}
			last = int(it.Node().Raw.Offset + it.Node().Raw.Length)
		}
		var s statement
		switch e.Kind {
		case unstable.KeyValue:
			s.path = append(slices.Clone(heading), path...)
			last = int(e.Raw.Offset + e.Raw.Length)
			if v := e.Value(); v.Raw.Length > 0 && v.Kind != unstable.Array && v.Kind != unstable.InlineTable {
				s.valueStart, s.valueEnd = int(v.Raw.Offset), int(v.Raw.Offset+v.Raw.Length)
			}
		case unstable.ArrayTable:
			arrays = append(arrays, path)
			inArray, heading, s.path = true, path, path
		default:
			inArray = slices.ContainsFunc(arrays, func(a []string) bool { return len(a) <= len(path) && slices.Equal(a, path[:len(a)]) })
			heading, s.path = path, path
			s.kind = table
		}
		if inArray {
			s.kind = other
		}
		s.lines(src, first, last)
		all = append(all, s)
	}
	return all
}

// lines finds where the lines begin and end that hold first to last.
func (s *statement) lines(src []byte, first, last int) {
	s.start = bytes.LastIndexByte(src[:first], '\n') + 1
	text := bytes.TrimLeft(src[s.start:], " \t")
	s.indent = string(src[s.start : len(src)-len(text)])
	s.end = len(src)
	if i := bytes.IndexByte(src[last:], '\n'); i >= 0 {
		s.end = last + i + 1
		s.eol = "\n"
		if i > 0 && src[s.end-2] == '\r' {
			s.eol = "\r\n"
		}
	}
}
