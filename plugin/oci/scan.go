// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"fmt"
	"unicode"
)

// These step through a text that is known to be valid JSON, except that a
// string may lack its end: depth is checked before validity.

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// skipValue returns the index after the value that begins at i.
func skipValue(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			i = skipString(text, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return i + min(1, depth+1) // depth -1: the end of what holds a number
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// checkKeys looks for keys that are there twice, at every depth of the value
// that begins at i, and returns the index after it.
func checkKeys(text []byte, i int) (int, error) {
	i = skipSpace(text, i)
	open := text[i]
	if open != '{' && open != '[' {
		return skipValue(text, i), nil
	}
	seen := map[string]bool{}
	for i = skipSpace(text, i+1); text[i] != open+2; i = skipSpace(text, i) { // } and ] come two after { and [
		if text[i] == ',' {
			i = skipSpace(text, i+1)
		}
		if open == '{' {
			end := skipString(text, i)
			name, err := keyName(text[i:end])
			if err != nil {
				return 0, err
			}
			if seen[fold(name)] {
				return 0, fmt.Errorf("member %q is there twice", name)
			}
			seen[fold(name)] = true
			i = skipSpace(text, end) + 1 // and the colon
		}
		var err error
		if i, err = checkKeys(text, i); err != nil {
			return 0, err
		}
	}
	return i + 1, nil
}

// fold returns what all keys have in common that encoding/json takes for the
// same member of a struct: it does not tell upper from lower case, by Unicode's
// simple folding.
func fold(key string) string {
	out := make([]rune, 0, len(key))
	for _, r := range key {
		smaller := unicode.SimpleFold(r) // the next of those that are the same, or back to the first
		for ; smaller > r; smaller = unicode.SimpleFold(r) {
			r = smaller
		}
		out = append(out, smaller)
	}
	return string(out)
}

// keyName decodes a key. Most need no decoding.
func keyName(key []byte) (string, error) {
	for _, c := range key {
		if c == '\\' || c >= 0x80 {
			var name string
			err := json.Unmarshal(key, &name)
			return name, err
		}
	}
	return string(key[1 : len(key)-1]), nil
}
