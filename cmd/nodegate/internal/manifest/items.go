// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"
)

// listStart begins a list as kubectl get -o yaml prints it.
var listStart = []byte("apiVersion: v1\nitems:\n- ")

var errOtherForm = errors.New("is no list as kubectl prints it")

// mayBeList reports whether a file may hold a list as kubectl prints it.
func mayBeList(text []byte) bool {
	return bytes.HasPrefix(text, listStart) || bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))
}

// readItems reads a list as kubectl prints it, an item at a time: as a tree, the pods of a
// cluster would take gigabytes. It reports false, and has read nothing, for everything that
// is not quite of that form.
func (d *document) readItems() bool {
	cut := cutYAML
	if !bytes.HasPrefix(d.text, listStart) {
		cut = cutJSON
	}
	kind, items, err := cut(d.text)
	if err != nil {
		return false
	}
	pods, problems, notes, left := len(d.out.Pods), len(d.out.Problems), len(d.out.Notes), *d.left
	d.out.emptyList = d.out.emptyList || len(items) == 0
	for _, item := range items {
		var root yaml.Node
		if err := yaml.Unmarshal(item.text, &root); err != nil || len(root.Content) == 0 {
			d.out.Pods, d.out.Problems, d.out.Notes, *d.left = d.out.Pods[:pods], d.out.Problems[:problems], d.out.Notes[:notes], left
			return false
		}
		list := root.Content[0]
		if list.Kind != yaml.SequenceNode { // JSON's
			list = &root
		}
		of := *d
		of.text, of.first = item.text, d.line(item.line)
		of.toEdit = d.toEdit && list != &root // JSON's begin within a line
		of.list(list, list, itemKind(kind))
	}
	return true
}

// cutYAML cuts at the lines that begin with a dash. No value reaches into such a line but
// one in quotes or brackets, of which a part alone is no YAML.
func cutYAML(text []byte) (kind string, items []part, err error) {
	at, line := bytes.IndexByte(text, '-'), 3
	start := at
	for at < len(text) {
		next := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		switch {
		case bytes.HasPrefix(text[at:], []byte("- ")):
			if at > start {
				items[len(items)-1].text = text[start:at]
			}
			items, start = append(items, part{line: line}), at
		case text[at] == ' ', text[at] == '\n':
		default:
			items[len(items)-1].text = text[start:at]
			kind, err = kindAfter(text[at:])
			return kind, items, err
		}
		at, line = next, line+1
	}
	return "", nil, errOtherForm // which has its kind after the items
}

func kindAfter(text []byte) (string, error) {
	var rest map[string]any
	if err := yaml.Unmarshal(text, &rest); err != nil {
		return "", err
	}
	kind, ok := rest["kind"].(string)
	if _, again := rest["items"]; again || !ok || !isName(kind) {
		return "", errOtherForm
	}
	return kind, nil
}

func cutJSON(text []byte) (kind string, items []part, err error) {
	from := json.NewDecoder(bytes.NewReader(text))
	if start, err := from.Token(); err != nil || start != json.Delim('{') {
		return "", nil, errOtherForm
	}
	seen := map[string]bool{}
	for from.More() {
		key, err := from.Token()
		name, _ := key.(string)
		if err != nil || seen[name] {
			return "", nil, errOtherForm
		}
		seen[name] = true
		switch name {
		case "items":
			items, err = cutArray(from, text)
		case "kind":
			err = from.Decode(&kind)
		default:
			var other json.RawMessage
			err = from.Decode(&other)
		}
		if err != nil {
			return "", nil, err
		}
	}
	_, closed := from.Token()
	if _, err := from.Token(); closed != nil || !errors.Is(err, io.EOF) || !seen["items"] || !isName(kind) || kind == "" {
		return "", nil, errOtherForm
	}
	return kind, items, nil
}

func cutArray(from *json.Decoder, text []byte) ([]part, error) {
	if start, err := from.Token(); err != nil || start != json.Delim('[') {
		return nil, errOtherForm
	}
	var items []part
	at, line := 0, 1
	for from.More() {
		var item json.RawMessage
		if err := from.Decode(&item); err != nil {
			return nil, err
		}
		start := int(from.InputOffset()) - len(item)
		line += bytes.Count(text[at:start], []byte("\n"))
		if item[0] != '{' {
			return nil, errOtherForm
		}
		at, items = start, append(items, part{text[start : start+len(item)], line})
	}
	_, err := from.Token()
	return items, err
}
