// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// splice is a stretch of a text that is written otherwise.
type splice struct {
	at, end int
	with    string
}

func spliced(text []byte, all []splice) []byte {
	slices.SortStableFunc(all, func(a, b splice) int { return cmp.Compare(a.at, b.at) })
	var out []byte
	at := 0
	for _, s := range all {
		if s.at > at {
			out = append(out, text[at:s.at]...)
		}
		out = append(out, s.with...)
		at = max(at, s.end)
	}
	return append(out, text[at:]...)
}

// editor finds where the nodes of one document stand in the file's text, and
// collects what is written otherwise. Its first error stays.
type editor struct {
	text    []byte
	starts  []int // of the lines from the document's first one on
	splices []splice
	err     error
}

// lineStarts are where the lines of a text begin.
func lineStarts(text []byte) []int {
	starts := []int{0}
	for at, c := range text {
		if c == '\n' {
			starts = append(starts, at+1)
		}
	}
	return starts
}

// offset is where a node begins.
func (e *editor) offset(n *yaml.Node) int {
	if n == nil || n.Line < 1 || n.Line > len(e.starts) {
		e.err = errForm
		return 0
	}
	at := e.starts[n.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(e.text[at:])
		at += size
	}
	return at
}

// indent is what stands on the line before a node.
func (e *editor) indent(n *yaml.Node) string {
	at := e.offset(n)
	if e.err != nil {
		return ""
	}
	return string(e.text[e.starts[n.Line-1]:at])
}

func (e *editor) replace(n *yaml.Node, with string) {
	at := e.offset(n)
	if e.err != nil {
		return
	}
	for _, quote := range []string{"", `"`, "'"} {
		if old := quote + n.Value + quote; n.Kind == yaml.ScalarNode && n.Value != "" && bytes.HasPrefix(e.text[at:], []byte(old)) {
			e.splices = append(e.splices, splice{at, at + len(old), with})
			return
		}
	}
	e.err = errForm
}

// newEntry is an entry of a mapping: a value, or a mapping below the key, or
// below the key in.
type newEntry struct {
	key, value, in string
	below          map[string]string
}

// insert writes a new entry at the beginning of a mapping.
func (e *editor) insert(into *yaml.Node, entry newEntry) {
	if into == nil || into.Kind != yaml.MappingNode {
		e.err = errForm
		return
	}
	if into.Style&yaml.FlowStyle != 0 {
		at := e.offset(into)
		if e.err != nil || at >= len(e.text) || e.text[at] != '{' {
			e.err = errForm
			return
		}
		with := entry.flow()
		if len(into.Content) > 0 {
			with += ", "
		}
		e.splices = append(e.splices, splice{at + 1, at + 1, with})
		return
	}
	for i := 0; i+1 < len(into.Content); i += 2 {
		key := into.Content[i]
		if indent := e.indent(key); e.err == nil && strings.Trim(indent, " ") == "" {
			at, with := e.starts[key.Line-1], entry.block(indent)
			if bytes.Contains(e.text, []byte("\r\n")) { // as on Windows
				with = strings.ReplaceAll(with, "\n", "\r\n")
			}
			e.splices = append(e.splices, splice{at, at, with})
			return
		}
	}
	e.err = errForm
}

func (n *newEntry) block(indent string) string {
	if n.below == nil {
		return indent + n.key + ": " + scalar(n.value) + "\n"
	}
	out := indent + n.key + ":\n"
	if n.in != "" {
		indent += "  "
		out += indent + n.in + ":\n"
	}
	for _, key := range slices.Sorted(maps.Keys(n.below)) {
		out += indent + "  " + key + ": " + scalar(n.below[key]) + "\n"
	}
	return out
}

// flow has quotes throughout, as JSON wants them.
func (n *newEntry) flow() string {
	quoted := func(s string) string {
		if s == "false" {
			return s
		}
		return strconv.Quote(s)
	}
	if n.below == nil {
		return quoted(n.key) + ": " + quoted(n.value)
	}
	var list []string
	for _, key := range slices.Sorted(maps.Keys(n.below)) {
		list = append(list, quoted(key)+": "+quoted(n.below[key]))
	}
	out := "{" + strings.Join(list, ", ") + "}"
	if n.in != "" {
		out = "{" + quoted(n.in) + ": " + out + "}"
	}
	return quoted(n.key) + ": " + out
}
