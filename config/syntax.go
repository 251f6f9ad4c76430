// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// decode reads TOML into plain values. The checks that follow work on those
// and not on Go structs, so that one wrong type does not hide all other
// errors, and no message speaks of Go.
func (d *document) decode(data []byte) map[string]any {
	if line, what := badEncoding(data); what != "" {
		d.errorAt(line, "%s", what)
		return nil
	}
	for _, twice := range d.lines.twice {
		what, remedy := "is written twice", "keep one"
		if twice.table {
			what, remedy = "is a table that is opened twice", "put its keys under one heading"
		}
		d.errorAt(d.lines.lineAt(twice.at), "%s %s, here and on line %d: %s", twice.path, what, d.lines.lineAt(twice.first), remedy)
	}
	var values map[string]any
	err := toml.Unmarshal(data, &values)
	if err == nil || len(d.lines.twice) > 0 {
		return values
	}
	line, text := 1, strings.TrimPrefix(err.Error(), "toml: ")
	if at := (*toml.DecodeError)(nil); errors.As(err, &at) {
		line, _ = at.Position()
	}
	if smartQuotes(data, line) {
		d.errorAt(line, "this is not TOML, as it has typographic quotes (“ ” ‘ ’): use straight quotes, \" or '")
		return nil
	}
	d.errorAt(line, "%s", syntaxWords(text))
	return nil
}

// badEncoding finds what no TOML file holds and what an editor's "save as"
// mends. The parser reports the first strange character as a wrong key.
func badEncoding(data []byte) (line int, what string) {
	for _, utf16 := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(data, []byte(utf16)) {
			return 1, "the file is UTF-16: save the file as UTF-8"
		}
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return 1, "the file begins with a byte-order mark: save the file as UTF-8 without one"
	}
	lineAt := func(at int) int { return 1 + bytes.Count(data[:at], []byte("\n")) }
	if at := bytes.IndexByte(data, 0); at >= 0 {
		return lineAt(at), "there is a NUL byte, as in UTF-16 or in a damaged file: save the file as UTF-8"
	}
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return lineAt(at), fmt.Sprintf("byte 0x%02x is not UTF-8: save the file as UTF-8", data[at])
		}
		at += size
	}
	return 0, ""
}

// What a line may hold in which any quotes are text.
var (
	quoted  = regexp.MustCompile(`"(\\.|[^"\\])*"|'[^']*'`)
	comment = regexp.MustCompile(`#.*`)
)

// smartQuotes reports whether a line on which the parser failed has quotes as
// word processors write them. Within a string or comment they are text.
func smartQuotes(data []byte, line int) bool {
	lines := bytes.Split(data, []byte("\n"))
	if line > len(lines) {
		return false
	}
	code := comment.ReplaceAll(quoted.ReplaceAll(lines[line-1], nil), nil)
	return bytes.ContainsAny(code, "“”‘’")
}

// syntaxWords adds to an error of the TOML parser what to write instead.
func syntaxWords(text string) string {
	for _, known := range []struct{ part, remedy string }{
		{"strings must be quoted", `put quotes around it`},
		{"at start of value", `a value is a "string" in quotes, a number, true, false, a [list] or a {table}`},
		{"expected value, not end of input", `write a value after the =`},
		{"leading zeroes", `put a file mode in quotes, as in mode = "0660"`},
		{"expected '=' after key", `write key = value, or [table]`},
		{"at start of key", `write key = value; a key with other characters than letters, digits, - and _ needs quotes`},
		{"close table name", `write [name]`},
		{"close array table name", `write [[name]]`},
		{"have new lines", `end the string with a quote on its line`},
		{"unterminated", `end the string with a quote on its line`},
		{"not terminated", `end the string with three quotes`},
		{"array is incomplete", `end the list with ]`},
		{"after array value", `put a comma between the elements of a list, and ] at its end`},
		{"inline table", `write { key = value, key = value }`},
		{"expected newline", `write one key = value a line`},
		{"escape", `write a backslash as \\, or use 'single quotes'`},
		{"too large to fit", `write a smaller number`},
		{"expected keyword", `write true or false, or put quotes around a string`},
		{"should be a table", `a key is either a value or a table`},
		{"already", `write each key and each table once`},
	} {
		if strings.Contains(text, known.part) {
			return fmt.Sprintf("this is not TOML (%s): %s", text, known.remedy)
		}
	}
	return fmt.Sprintf("this is not TOML (%s): see https://toml.io", text)
}
