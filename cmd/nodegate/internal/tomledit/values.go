// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tomledit

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// Parse reads a document into plain values. Errors name the line.
func Parse(src []byte) (map[string]any, error) {
	if !utf8.Valid(src) {
		return nil, errors.New("is not UTF-8 text")
	}
	doc := map[string]any{}
	err := toml.Unmarshal(src, &doc)
	if at := (*toml.DecodeError)(nil); errors.As(err, &at) {
		line, _ := at.Position()
		return nil, fmt.Errorf("line %d is not TOML: %s", line, strings.TrimPrefix(at.Error(), "toml: "))
	}
	if err != nil {
		return nil, fmt.Errorf("is not TOML: %w", err)
	}
	return doc, nil
}

// Lookup returns the value of a key, which is a table for one in the middle.
func Lookup(doc map[string]any, key []string) (value any, has bool) {
	value = doc
	for _, k := range key {
		t, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = t[k]; !ok {
			return nil, false
		}
	}
	return value, true
}

// Get returns the value of a key, if it is of that type.
func Get[T any](doc map[string]any, key []string) (v T, ok bool) {
	value, _ := Lookup(doc, key)
	v, ok = value.(T)
	return v, ok
}

// Missing are the wanted keys that do not have their values.
func Missing(doc map[string]any, wants []Want) []Want {
	var missing []Want
	for _, w := range wants {
		if v, has := Lookup(doc, w.Key); !has || !reflect.DeepEqual(v, w.Value) {
			missing = append(missing, w)
		}
	}
	return missing
}

// verify is the net under Set: whatever the edits were meant to be, only the wanted
// keys change, and all of it can be taken back.
func verify(src []byte, doc map[string]any, edits []Edit, wants []Want) error {
	result := Apply(src, edits)
	after, err := Parse(result)
	if err == nil {
		want := doc
		for _, w := range wants {
			if want, err = with(want, w.Key, w.Value); err != nil {
				break
			}
		}
		if err == nil && !reflect.DeepEqual(after, want) {
			err = errors.New("other keys would change")
		}
	}
	if err != nil {
		return fmt.Errorf("it cannot be added without a change to the rest: %w", ErrByHand)
	}
	if back, err := Undo(result, edits, wants); err != nil || !bytes.Equal(back, src) {
		return fmt.Errorf("it could not be taken back: %w", ErrByHand)
	}
	return nil
}

// with returns a copy of a document in which a key has a value.
func with(doc map[string]any, key []string, value any) (map[string]any, error) {
	doc = maps.Clone(doc)
	if len(key) == 1 {
		doc[key[0]] = value
		return doc, nil
	}
	inner := map[string]any{}
	if v, has := doc[key[0]]; has {
		t, ok := v.(map[string]any)
		if !ok {
			return nil, ErrByHand
		}
		inner = t
	}
	inner, err := with(inner, key[1:], value)
	doc[key[0]] = inner
	return doc, err
}

// sameBut compares two documents without some keys, and without the tables that
// hold nothing but those.
func sameBut(a, b map[string]any, wants []Want) bool {
	for _, w := range wants {
		a, b = without(a, w.Key), without(b, w.Key)
	}
	return reflect.DeepEqual(a, b)
}

func without(doc map[string]any, key []string) map[string]any {
	v, has := doc[key[0]]
	if !has {
		return doc
	}
	doc = maps.Clone(doc)
	if t, ok := v.(map[string]any); ok && len(key) > 1 {
		if t = without(t, key[1:]); len(t) > 0 {
			doc[key[0]] = t
			return doc
		}
	} else if len(key) > 1 {
		return doc
	}
	delete(doc, key[0])
	return doc
}
