// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tomledit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mark is in each line that an edit writes, and around each group of them.
const Mark = "nodegate install"

const (
	begin = "# Begin: added by " + Mark + ", taken away by nodegate uninstall."
	end   = "# End: added by " + Mark + "."
)

// Want is a key, as its path from the top, and the value that it is to have: a
// bool, a string, an int64, or a []any of these.
type Want struct {
	Key   []string
	Value any
}

// Edit replaces Old, which begins at byte At, by New.
type Edit struct {
	At  int    `json:"at"`
	Old string `json:"old,omitempty"`
	New string `json:"new"`
}

// ErrByHand is in every error about a document that is TOML, but written in a way
// that this package does not change.
var ErrByHand = errors.New("to be changed by hand")

// Set returns the edits that give each key its value, in the order of their places;
// none if all keys have them. The edits change nothing else, and [Undo] takes them
// back byte for byte: where that cannot be had, Set refuses.
func Set(src []byte, wants []Want) ([]Edit, error) {
	doc, err := Parse(src)
	if err != nil {
		return nil, err
	}
	missing := Missing(doc, wants)
	if len(missing) == 0 {
		return nil, nil
	}
	edits, err := plan(src, doc, missing)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(edits, func(a, b Edit) int { return a.At - b.At })
	return edits, verify(src, doc, edits, missing)
}

// Apply carries out edits of Set.
func Apply(src []byte, edits []Edit) []byte {
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(src[at:e.At])
		out.WriteString(e.New)
		at = e.At + len(e.Old)
	}
	out.Write(src[at:])
	return out.Bytes()
}

// Undo takes edits back in a document that may have been changed elsewhere since. It
// refuses where what an edit wrote is not there any more as it was written, or where
// taking it back would change any key but those of the edits.
func Undo(text []byte, edits []Edit, wants []Want) ([]byte, error) {
	out, err := TakeBack(text, edits)
	if err != nil {
		return nil, err
	}
	before, err := Parse(text)
	if err != nil {
		return nil, err
	}
	after, err := Parse(out)
	if err != nil || !sameBut(before, after, wants) {
		return nil, fmt.Errorf("other lines depend on what %s wrote: %w", Mark, ErrByHand)
	}
	return out, nil
}

// TakeBack is [Undo] for a text that is not TOML itself, such as a template of it.
func TakeBack(text []byte, edits []Edit) ([]byte, error) {
	out := string(text)
	for _, e := range slices.Backward(edits) {
		if n := strings.Count(out, e.New); n != 1 {
			return nil, fmt.Errorf("the lines that %s wrote are not there any more as they were: %w", Mark, ErrByHand)
		}
		out = strings.Replace(out, e.New, e.Old, 1)
	}
	return []byte(out), nil
}

// plan finds a place for each key.
func plan(src []byte, doc map[string]any, missing []Want) ([]Edit, error) {
	lines := statements(src)
	eol := "\n"
	if i := bytes.IndexByte(src, '\n'); i > 0 && src[i-1] == '\r' {
		eol = "\r\n"
	}
	var edits []Edit
	inserted := map[int]int{} // header's end → index of its edit
	var rest []Want
	for _, w := range missing {
		if _, has := Lookup(doc, w.Key); has {
			e, err := replace(src, lines, w)
			if err != nil {
				return nil, err
			}
			edits = append(edits, e)
			continue
		}
		header := find(lines, table, w.Key[:len(w.Key)-1])
		if header == nil {
			rest = append(rest, w)
			continue
		}
		line := header.indent + "  " + formatKey(w.Key[len(w.Key)-1:]) + " = " + formatValue(w.Value) + " # " + Mark
		if header.eol != "" {
			line += eol
		} else {
			line = eol + line
		}
		if i, ok := inserted[header.end]; ok {
			edits[i].New += line
			continue
		}
		inserted[header.end] = len(edits)
		edits = append(edits, Edit{At: header.end, New: line})
	}
	if len(rest) > 0 {
		block := eol + strings.ReplaceAll(Block(rest), "\n", eol)
		if len(src) > 0 && src[len(src)-1] != '\n' {
			block = eol + block
		}
		edits = append(edits, Edit{At: len(src), New: block})
	}
	return edits, nil
}

// replace changes the value in the line of a key.
func replace(src []byte, lines []statement, w Want) (Edit, error) {
	s := find(lines, keyValue, w.Key)
	if s == nil || s.valueEnd == 0 || bytes.ContainsRune(src[s.start:s.valueEnd], '\n') {
		return Edit{}, fmt.Errorf("%s is not on a line of its own: %w", formatKey(w.Key), ErrByHand)
	}
	old := string(src[s.start:s.end])
	was := strings.TrimSpace(old)
	return Edit{At: s.start, Old: old,
		New: string(src[s.start:s.valueStart]) + formatValue(w.Value) + " # " + Mark + "; was: " + was + s.eol}, nil
}
