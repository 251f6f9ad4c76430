// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// maxDocument bounds a document, in bytes. containerd's own messages, in
	// which a spec travels, may be no larger.
	maxDocument = 16 << 20
	// maxDepth bounds the nesting of a document. A spec needs about ten.
	maxDepth = 256
)

// value is a JSON value that keeps its text. It is opened where something below
// it is looked for, one level at a time, and only what is changed is written
// anew: all other bytes stay as they came.
type value struct {
	parent *value
	name   string // of a member, and of a document; for messages
	text   []byte // as it came; stale once changed

	opened  bool
	changed bool
	kids    []kid
	tail    []byte // what follows the last kid, with the closing bracket
}

// kid is a member of an object or an element of an array, and the bytes that
// lead to its value: those before the key, the key, those after it. An element
// has only the first.
type kid struct {
	before, key, after []byte
	name               string // the decoded key
	value              *value
}

// parseDocument reads an object, called name in messages.
func parseDocument(name string, data []byte) (*value, error) {
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%s: %d bytes are too much: a spec has at most %d", name, len(data), maxDocument)
	}
	if err := checkDepth(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !json.Valid(data) {
		var all json.RawMessage
		return nil, fmt.Errorf("%s is not JSON: %w", name, json.Unmarshal(data, &all)) // which says where
	}
	n := &value{name: name, text: data}
	if n.kind() != '{' {
		return nil, fmt.Errorf("%s is not a JSON object", name)
	}
	return n, nil
}

// checkDepth keeps the recursion of all readers within bounds.
func checkDepth(data []byte) error {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = skipString(data, i) - 1
		case '{', '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("objects and arrays are nested more than %d deep", maxDepth)
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}

// kind is the value's first character: { [ " t f n, or that of a number.
func (n *value) kind() byte { return n.text[skipSpace(n.text, 0)] }

// bytes returns the value's text. It must not be changed.
func (n *value) bytes() []byte {
	if !n.changed {
		return n.text
	}
	return n.append(nil)
}

func (n *value) append(out []byte) []byte {
	if !n.changed {
		return append(out, n.text...)
	}
	start := skipSpace(n.text, 0)
	out = append(out, n.text[:start+1]...)
	for _, k := range n.kids {
		out = append(append(append(out, k.before...), k.key...), k.after...)
		out = k.value.append(out)
	}
	return append(out, n.tail...)
}

// path names the value for messages: config.json: linux.seccomp.
func (n *value) path() string {
	below := ""
	for ; n.parent != nil; n = n.parent {
		if n.parent.kind() == '{' {
			below = "." + n.name + below
			continue
		}
		i := slices.IndexFunc(n.parent.kids, func(k kid) bool { return k.value == n })
		below = fmt.Sprintf("[%d]%s", i, below)
	}
	if below == "" {
		return n.name
	}
	return n.name + ": " + strings.TrimPrefix(below, ".")
}

// open splits an object or array into its kids.
func (n *value) open(kind byte) error {
	if n.kind() != kind {
		return fmt.Errorf("%s is not %s", n.path(), map[byte]string{'{': "an object", '[': "an array"}[kind])
	}
	if n.opened {
		return nil
	}
	i := skipSpace(n.text, 0) + 1
	for {
		start := i
		if i = skipSpace(n.text, i); n.text[i] == ',' {
			i = skipSpace(n.text, i+1)
		}
		if n.text[i] == kind+2 { // } and ] come two after { and [
			n.tail = n.text[start:]
			n.opened = true
			return nil
		}
		k := kid{before: n.text[start:i]}
		if kind == '{' {
			end := skipString(n.text, i)
			k.key = n.text[i:end]
			var err error
			if k.name, err = keyName(k.key); err != nil {
				return fmt.Errorf("%s: reading a key: %w", n.path(), err)
			}
			i = skipSpace(n.text, skipSpace(n.text, end)+1) // and the colon
			k.after = n.text[end:i]
		}
		end := skipValue(n.text, i)
		k.value = &value{parent: n, name: k.name, text: n.text[i:end]}
		n.kids = append(n.kids, k)
		i = end
	}
}

// decode reads the value into a Go value. A key that is there twice is an
// error: readers differ in which they take.
func (n *value) decode(into any) error {
	text := n.bytes()
	if _, err := checkKeys(text, 0); err != nil {
		return fmt.Errorf("%s: %w", n.path(), err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return fmt.Errorf("%s: a JSON %s is not what belongs at %q", n.path(), kind.Value, kind.Field)
		}
		return fmt.Errorf("%s: %w", n.path(), err)
	}
	return nil
}

// read decodes what lookup finds. Without it the Go value stays as it is.
func (n *value) read(into any, names ...string) error {
	found, err := n.lookup(names...)
	if found == nil || err != nil {
		return err
	}
	return found.decode(into)
}

// elements decodes an array, which is open then.
func elements[T any](list *value) (all []T, err error) {
	if err := list.decode(&all); err != nil {
		return nil, err
	}
	return all, list.open('[')
}
