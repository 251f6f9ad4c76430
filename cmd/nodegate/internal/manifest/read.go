// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

// sizeLimit is far above what one file of manifests holds, and listLimit above all pods of
// a large cluster.
const (
	sizeLimit = 32 << 20
	listLimit = 512 << 20
)

// Place is where a document begins, or where something in it is.
type Place struct {
	File     string `json:"file" yaml:"file"`
	Document int    `json:"document,omitempty" yaml:"document,omitempty"` // from 1; 0 for the file itself
	Line     int    `json:"line,omitempty" yaml:"line,omitempty"`         // from 1; 0 for no line in particular
}

// String reads "pod.yaml:7", with the document where the file has several.
func (p Place) String() string {
	text := p.File
	if p.Line > 0 {
		text += fmt.Sprintf(":%d", p.Line)
	}
	if p.Document > 1 {
		text += fmt.Sprintf(" (document %d)", p.Document)
	}
	return text
}

// Problem is something that is wrong with a manifest, and what to write instead.
type Problem struct {
	Place
	Text string
}

func (p *Problem) Error() string { return p.String() + ": " + p.Text }

// File is what a file holds.
type File struct {
	Pods           []Pod
	RuntimeClasses map[string]string // handlers, by the name of their class
	Problems       []*Problem
	Notes          []*Problem // what was left alone
	Other          bool       // it can be read and is about something else: its problems say so
	Hidden         []*Problem // of documents without a pod, what is privileged in them

	foreign   int  // documents that are no Kubernetes objects, each with a problem
	emptyList bool // it holds a list of nothing, as kubectl prints where there is no pod
	text      []byte
}

// Text is what a file that was read to be edited holds, without a byte order mark.
func (f *File) Text() []byte { return f.text }

// Read reads a file of one or more documents. All that can be read is
// returned, whatever is wrong with the rest.
func Read(name string, from io.Reader) File { return read(name, from, false) }

// ReadToEdit is Read for files that are to be edited: it keeps their text, and
// where the pods stand in it, which takes several times as much memory.
func ReadToEdit(name string, from io.Reader) File { return read(name, from, true) }

func read(name string, from io.Reader, toEdit bool) File {
	out := File{RuntimeClasses: map[string]string{}}
	bad := func(format string, args ...any) {
		out.Problems = append(out.Problems, &Problem{Place{File: name}, fmt.Sprintf(format, args...)})
	}
	data, err := io.ReadAll(io.LimitReader(from, listLimit+1))
	switch {
	case err != nil:
		bad("%s", err)
		return out
	case len(data) > listLimit:
		bad("is larger than %d MiB: split it", listLimit>>20)
		return out
	case len(data) > sizeLimit && !mayBeList(data):
		bad("is larger than %d MiB: split it", sizeLimit>>20)
		return out
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if toEdit {
		out.text = data
	}
	for at, doc := range split(data) {
		left := maxAliased
		d := document{place: Place{File: name, Document: at + 1, Line: doc.line}, first: doc.line, text: doc.text, left: &left, out: &out, toEdit: toEdit}
		if line := notUTF8(doc.text); line > 0 {
			d.bad(doc.line+line-1, "is not UTF-8: save the file as UTF-8")
			continue
		}
		d.read()
	}
	if len(out.Pods) > 0 || len(out.Problems) > 0 {
		out.Other = len(out.Pods) == 0 && len(out.Problems) == out.foreign
		return out
	}
	// What else the file holds is of no use on its own.
	out.Problems, out.Notes, out.Other = out.Notes, nil, true
	if len(out.Problems) == 0 && len(out.RuntimeClasses) == 0 && !out.emptyList {
		bad("is empty: write a Pod, or a %s that holds one", workloads)
	}
	return out
}

// part is one document's text and the line on which it begins.
type part struct {
	text []byte
	line int
}

// split cuts a file into its documents, by lines that begin with "---". Those
// cannot be part of a document: https://yaml.org/spec/1.2.2/#914-explicit-documents
// An error in one then leaves the others readable. Documents without content
// are left out.
func split(data []byte) []part {
	var parts []part
	now := part{line: 1}
	line := 0
	end := func() {
		if hasContent(now.text) {
			parts = append(parts, now)
		}
	}
	start := 0
	for at := 0; at < len(data); {
		line++
		next := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		if text := data[at:next]; isMarker(text, "---") || isMarker(text, "...") {
			now.text = data[start:at]
			end()
			start, now = at+3, part{line: line}
			if text[0] == '.' {
				start, now.line = next, line+1
			}
		}
		at = next
	}
	now.text = data[start:]
	end()
	return parts
}

func isMarker(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\n')
}

// hasContent reports whether there is more than comments, directives and space.
func hasContent(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && !bytes.HasPrefix(line, []byte("%YAML")) {
			return true
		}
	}
	return false
}

// notUTF8 returns the first line that is not UTF-8, from 1, or 0.
func notUTF8(text []byte) int {
	if utf8.Valid(text) {
		return 0
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if !utf8.Valid(line) {
			break
		}
	}
	return n
}
