// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// document is one file while it is being read.
type document struct {
	name     string
	lines    *lines
	comments []Comment // once the text is known to be TOML
	errors   Errors
}

func (d *document) errorAt(line int, format string, args ...any) {
	d.errors = append(d.errors, &Error{File: d.name, Line: line, Text: fmt.Sprintf(format, args...)})
}

// bad reports the value at a path.
func (d *document) bad(path, format string, args ...any) {
	d.errors = append(d.errors, &Error{File: d.name, Line: d.lines.line(path), Key: path, Text: fmt.Sprintf(format, args...)})
}

// source is where the path is written.
func (d *document) source(path string) string {
	return fmt.Sprintf("%s:%d", d.name, d.lines.line(path))
}

// table is one TOML table while it is being read: whoever wants a key takes
// it, and what nobody took is unknown.
type table struct {
	doc    *document
	path   string
	values map[string]any
	known  []string
}

// item is a value and its path.
type item struct{ value, path string }

func (t *table) at(key string) string { return join(t.path, key) }

func (t *table) bad(key, format string, args ...any) { t.doc.bad(t.at(key), format, args...) }

// take returns a key's value and makes the key known: the list of what may be
// written is what the reader asks for, and is kept nowhere else.
func (t *table) take(key string) (any, bool) {
	t.known = append(t.known, key)
	v, ok := t.values[key]
	return v, ok
}

// missing reports a key that has to be there.
func (t *table) missing(key, write string) {
	t.doc.errorAt(t.doc.lines.line(t.path), "%s is missing: write %s = %s", t.at(key), key, write)
}

// keys returns the table's keys in the order of the text.
func (t *table) keys() []string {
	return slices.SortedFunc(maps.Keys(t.values), func(a, b string) int {
		x, y := t.doc.lines.at[t.at(a)], t.doc.lines.at[t.at(b)]
		return cmp.Or(cmp.Compare(x, y), strings.Compare(a, b))
	})
}

// finish reports the keys that nobody took.
func (t *table) finish() {
	for _, key := range t.keys() {
		switch {
		case slices.Contains(t.known, key):
		case t.path != "" && !strings.HasSuffix(t.path, "]") && (key == "version" || key == "mode"):
			t.bad(key, "stands under a [table]: write it at the top of the file, before the first [")
		default:
			t.bad(key, "is not a key: %s", suggest(key, t.known))
		}
	}
}

// str takes a string. ok is false if there is none; a wrong type is reported.
// The example is a value as TOML writes it; "" where any will do, so that a
// number only lacks its quotes.
func (t *table) str(key, example string) (value string, ok bool) {
	v, there := t.take(key)
	path := t.at(key)
	if !there {
		return "", false
	}
	if value, ok = v.(string); ok {
		return value, true
	}
	if example == "" {
		example = `"…"`
		switch v.(type) {
		case int64, float64, bool:
			example = fmt.Sprintf("%q", fmt.Sprint(v))
		}
	}
	if !bareKey.MatchString(key) {
		key = strconv.Quote(key)
	}
	t.doc.bad(path, "is %s, not a string: write %s = %s", kind(v), key, example)
	return "", false
}

// choice takes a string that is one of a few. It returns "" if there is none,
// and for one that is not, which is reported.
func (t *table) choice(key string, of ...string) string {
	quoted := make([]string, len(of))
	for i, o := range of {
		quoted[i] = fmt.Sprintf("%q", o)
	}
	v, ok := t.str(key, strings.Join(quoted, " or "))
	if ok && !slices.Contains(of, v) {
		t.bad(key, "is %q: write %s", v, strings.Join(quoted, " or "))
		return ""
	}
	return v
}

// boolean takes true or false; false if there is none, as all of the format's
// switches are off by default.
func (t *table) boolean(key string) bool {
	v, there := t.take(key)
	value, ok := v.(bool)
	if there && !ok {
		t.bad(key, "is %s: write %s = true or %s = false, without quotes", kind(v), key, key)
	}
	return value
}

// number takes an integer.
func (t *table) number(key, example string) (value int64, ok bool) {
	v, there := t.take(key)
	value, ok = v.(int64)
	if there && !ok {
		t.bad(key, "is %s, not a whole number: write %s = %s", kind(v), key, example)
	}
	return value, ok
}

// list takes a list of strings. An element that stands there twice is
// reported: one of them does nothing.
func (t *table) list(key, example string) []item {
	v, there := t.take(key)
	if !there {
		return nil
	}
	elements, ok := v.([]any)
	if !ok {
		if s, isString := v.(string); isString {
			example = fmt.Sprintf("%q", s)
		}
		t.bad(key, "is %s, not a list: write %s = [%s]", kind(v), key, example)
		return nil
	}
	var out []item
	for i, e := range elements {
		it := item{path: fmt.Sprintf("%s[%d]", t.at(key), i)}
		if it.value, ok = e.(string); !ok {
			t.doc.bad(it.path, "is %s, not a string: write %s = [%s]", kind(e), key, example)
			continue
		}
		if slices.ContainsFunc(out, func(have item) bool { return have.value == it.value }) {
			t.doc.bad(it.path, "is %q again: list it once", it.value)
			continue
		}
		out = append(out, it)
	}
	return out
}

// table takes a table within; nil if there is none.
func (t *table) table(key, heading string) *table {
	v, there := t.take(key)
	if !there {
		return nil
	}
	values, ok := v.(map[string]any)
	if !ok {
		t.bad(key, "is %s, not a table: write %s and its keys below", kind(v), heading)
		return nil
	}
	return &table{doc: t.doc, path: t.at(key), values: values}
}

// tables takes a list of tables. One bracket too few is the usual slip: TOML
// then reads one table, and a second one as the same again.
func (t *table) tables(key, heading string) []*table {
	v, there := t.take(key)
	if !there {
		return nil
	}
	elements, ok := v.([]any)
	if !ok {
		t.bad(key, "is %s, not a list of tables: write %s with two brackets, once for each, and its keys below", kind(v), heading)
		return nil
	}
	var out []*table
	for i, e := range elements {
		path := fmt.Sprintf("%s[%d]", t.at(key), i)
		values, ok := e.(map[string]any)
		if !ok {
			t.doc.bad(path, "is %s, not a table: write %s and its keys below", kind(e), heading)
			continue
		}
		out = append(out, &table{doc: t.doc, path: path, values: values})
	}
	return out
}

// kind says what a TOML value is.
func kind(v any) string {
	switch v := v.(type) {
	case string:
		return "a string"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case time.Time:
		return "a date"
	}
	return "a date or a time"
}
