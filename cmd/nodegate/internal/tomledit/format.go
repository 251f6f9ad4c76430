// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tomledit

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Block writes keys as tables of their own between two marks, for the end of a
// document.
func Block(wants []Want) string {
	return begin + "\n" + Tables(wants) + end + "\n"
}

// WithoutBlock cuts blocks out of a text that was made of one with a block in it.
func WithoutBlock(text []byte) []byte {
	for {
		from := bytes.Index(text, []byte(begin))
		if from < 0 {
			return text
		}
		length := bytes.Index(text[from:], []byte(end))
		if length < 0 {
			return text
		}
		text = append(bytes.Clone(text[:from]), text[from+length+len(end):]...)
	}
}

// Tables writes keys as tables, in the order in which each table comes first.
func Tables(wants []Want) string {
	var b strings.Builder
	done := make([]bool, len(wants))
	for i, w := range wants {
		if done[i] {
			continue
		}
		heading := w.Key[:len(w.Key)-1]
		if len(heading) > 0 {
			fmt.Fprintf(&b, "[%s]\n", formatKey(heading))
		}
		for j := i; j < len(wants); j++ {
			if v := wants[j]; slices.Equal(v.Key[:len(v.Key)-1], heading) {
				fmt.Fprintf(&b, "  %s = %s\n", formatKey(v.Key[len(v.Key)-1:]), formatValue(v.Value))
				done[j] = true
			}
		}
	}
	return b.String()
}

func formatKey(key []string) string {
	parts := make([]string, len(key))
	for i, k := range key {
		parts[i] = k
		if k == "" || strings.ContainsFunc(k, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			parts[i] = quote(k)
		}
	}
	return strings.Join(parts, ".")
}

func formatValue(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = formatValue(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return quote(fmt.Sprint(v))
}

// quote writes a basic string. Go's own quoting has escapes that TOML has not.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
