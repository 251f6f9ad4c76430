// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// member returns a member of an object that encoding/json decodes into a
// struct, or nil if it is absent or null. A second one that such a reader would
// take for the same is an error, and so is one in another case alone: another
// runtime would not see it.
func (n *value) member(name string) (*value, error) {
	if err := n.open('{'); err != nil {
		return nil, err
	}
	var found *value
	want := fold(name)
	for _, k := range n.kids {
		if fold(k.name) != want {
			continue
		}
		if k.name != name || found != nil {
			return nil, fmt.Errorf("%s: the member %q is there as %q too, or only so: runtimes would not agree on it", n.path(), name, k.name)
		}
		found = k.value
	}
	return present(found), nil
}

// entry returns a member of an object that is a map, where keys are as they
// are written; nil if it is absent.
func (n *value) entry(name string) (*value, error) {
	if err := n.open('{'); err != nil {
		return nil, err
	}
	var found *value
	for _, k := range n.kids {
		if k.name != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s: the member %q is there twice", n.path(), name)
		}
		found = k.value
	}
	return present(found), nil
}

func present(n *value) *value {
	if n == nil || n.kind() == 'n' {
		return nil
	}
	return n
}

// lookup follows members; nil if one of them is absent or null.
func (n *value) lookup(names ...string) (*value, error) {
	var err error
	for _, name := range names {
		if n, err = n.member(name); n == nil || err != nil {
			return nil, err
		}
	}
	return n, nil
}

// ensure returns a member, which is made from a text if it is absent or null.
func (n *value) ensure(name, text string) (*value, error) {
	found, err := n.member(name)
	if err != nil || found != nil {
		return found, err
	}
	return n.set(name, []byte(text)), nil
}

// ensureBelow is ensure for a member further down: what leads to it is made of objects.
func (n *value) ensureBelow(text string, names ...string) (_ *value, err error) {
	last := len(names) - 1
	for _, name := range names[:last] {
		if n, err = n.ensure(name, "{}"); err != nil {
			return nil, err
		}
	}
	return n.ensure(names[last], text)
}

// set gives an opened object a member, in the place of one with the same name.
func (n *value) set(name string, text []byte) *value {
	for i := range n.kids {
		if n.kids[i].name == name {
			return n.replace(i, text)
		}
	}
	k := kid{name: name, key: encode(name), after: []byte(":")}
	if len(n.kids) > 0 {
		k.after = n.kids[0].after // as the others are written
	}
	return n.insert(len(n.kids), k, text)
}

// replace gives a kid another text, or lets it be if that means the same.
func (n *value) replace(i int, text []byte) *value {
	k := &n.kids[i]
	if !bytes.Equal(k.value.bytes(), text) {
		k.value = &value{parent: n, name: k.name, text: text}
		n.touch()
	}
	return k.value
}

// add puts an element into an opened array.
func (n *value) add(i int, text []byte) { n.insert(i, kid{}, text) }

func (n *value) insert(i int, k kid, text []byte) *value {
	k.value = &value{parent: n, name: k.name, text: text}
	k.before = n.separator()
	if i == 0 && len(n.kids) > 0 {
		k.before, n.kids[0].before = n.kids[0].before, k.before
	} else if i == 0 {
		k.before = nil
	}
	n.kids = slices.Insert(n.kids, i, k)
	n.touch()
	return k.value
}

// separator is what stands between two kids here: a comma, and white space as
// the author of the document likes it.
func (n *value) separator() []byte {
	switch len(n.kids) {
	case 0:
		return nil
	case 1:
		return append([]byte{','}, n.kids[0].before...)
	}
	return n.kids[1].before
}

// remove takes a kid out.
func (n *value) remove(i int) {
	if i == 0 && len(n.kids) > 1 {
		n.kids[1].before = n.kids[0].before
	}
	n.kids = slices.Delete(n.kids, i, i+1)
	n.touch()
}

func (n *value) touch() {
	for ; n != nil && !n.changed; n = n.parent {
		n.changed = true
	}
}

// encode writes a Go value as JSON. What is encoded here are strings, numbers
// and structs of them, which always can be.
func encode(value any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
