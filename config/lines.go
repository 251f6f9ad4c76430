// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// lines tells where in a text each key is written, by its path from the top:
// profiles.modem.devices[1].access. Values that TOML decodes no longer know
// their place, and an error without one is of little use.
type lines struct {
	at      map[string]int // path → offset in the text
	starts  []int          // offset of each line
	counts  map[string]int // array of tables → elements so far
	headers map[string]bool
	again   bool // within a table that was opened before
	twice   []duplicate
}

// duplicate is a key or table that is written again.
type duplicate struct {
	path  string
	at    int
	first int
	table bool
}

// newLines reads as much of the text as parses: what comes after an error of
// syntax has no place.
func newLines(data []byte) *lines {
	l := &lines{at: map[string]int{"": 0}, starts: []int{0}, counts: map[string]int{}, headers: map[string]bool{}}
	for i, c := range data {
		if c == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	var p unstable.Parser
	p.Reset(data)
	table := ""
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = l.header(e)
		case unstable.KeyValue:
			l.keyValue(table, e)
		}
	}
	return l
}

// header records [a.b] or [[a.b]] and returns the path of what follows it.
func (l *lines) header(e *unstable.Node) string {
	path, at := "", 0
	it := e.Key()
	for it.Next() {
		last := it.IsLast()
		path, at = join(path, string(it.Node().Data)), int(it.Node().Raw.Offset)
		l.first(path, at)
		if !last {
			path = l.element(path)
		}
	}
	l.again = false
	if e.Kind == unstable.ArrayTable {
		l.counts[path]++
		path = l.element(path)
		l.first(path, at)
		return path
	}
	if l.again = l.headers[path]; l.again {
		l.twice = append(l.twice, duplicate{path, at, l.at[path], true})
	}
	l.headers[path] = true
	return path
}

// element returns the path of the last element so far, for an array of tables.
func (l *lines) element(path string) string {
	if n := l.counts[path]; n > 0 {
		return fmt.Sprintf("%s[%d]", path, n-1)
	}
	return path
}

// keyValue records key = value; a dotted key makes tables on its way.
func (l *lines) keyValue(table string, e *unstable.Node) {
	path, at := table, 0
	it := e.Key()
	for it.Next() {
		last := it.IsLast()
		path, at = join(path, string(it.Node().Data)), int(it.Node().Raw.Offset)
		if first, ok := l.at[path]; ok && last && !l.again {
			l.twice = append(l.twice, duplicate{path: path, at: at, first: first})
		}
		l.first(path, at)
	}
	l.value(path, at, e.Value())
}

// value records the elements of lists and inline tables. A list has no place
// of its own, so it takes that of what holds it.
func (l *lines) value(path string, at int, v *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				l.keyValue(path, it.Node())
			}
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); {
			n := it.Node()
			if n.Kind == unstable.Comment {
				continue
			}
			element, where := fmt.Sprintf("%s[%d]", path, i), at
			if n.Raw.Length > 0 {
				where = int(n.Raw.Offset)
			}
			l.first(element, where)
			l.value(element, where, n)
			i++
		}
	}
}

// first keeps the place where a path begins: a table can be made by a heading
// of one within it, before its own.
func (l *lines) first(path string, at int) {
	if _, ok := l.at[path]; !ok {
		l.at[path] = at
	}
}

// line returns the line of a path, or of the nearest that holds it.
func (l *lines) line(path string) int {
	for {
		if at, ok := l.at[path]; ok {
			return l.lineAt(at)
		}
		path = parent(path)
	}
}

func (l *lines) lineAt(offset int) int {
	low, high := 0, len(l.starts)
	for high-low > 1 {
		if mid := (low + high) / 2; l.starts[mid] <= offset {
			low = mid
		} else {
			high = mid
		}
	}
	return low + 1
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// join adds a key to a path, in quotes where TOML wants them.
func join(path, key string) string {
	if !bareKey.MatchString(key) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// parent cuts the last key or index off a path. A quoted key may be cut
// within: that names no place either, and the next cut goes on.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}
