// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// decode reads TOML into plain values. The checks that follow work on those
// and not on Go structs, so that one wrong type does not hide all other
// errors, and no message speaks of Go.
func (d *document) decode(data []byte) map[string]any {
	for _, twice := range d.lines.twice {
		what, remedy := "is written twice", "keep one"
		if twice.table {
			what, remedy = "is a table that is opened twice", "put its keys under one heading"
		}
		d.errorAt(d.lines.lineAt(twice.at), "%s %s, here and on line %d: %s", twice.path, what, d.lines.lineAt(twice.first), remedy)
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		d.errorAt(1, "the file begins with a byte-order mark: save it as UTF-8 without one")
		return nil
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
	d.errorAt(line, "%s", syntaxWords(text))
	return nil
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
		{"UTF-8", `save the file as UTF-8`},
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
