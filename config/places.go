// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Place is a line of the policy.
type Place struct {
	File string
	Line int // from 1
}

// places remembers where the parts of a policy are written.
type places struct {
	files    []*document // without the built-in profiles
	profiles map[string]origin
	grants   []origin
}

// origin is the table that a part was read from.
type origin struct {
	doc  *document
	path string
}

func (o origin) place(key string) Place {
	path := o.path
	if key != "" {
		path += "." + key
	}
	return Place{o.doc.name, o.doc.lines.line(path)}
}

// ProfilePlace is where a profile has a key, dotted as in "devices[0].path", or where
// what holds the key is; "" is its heading.
func (c *Config) ProfilePlace(name, key string) Place { return c.places.profiles[name].place(key) }

// GrantPlace is the same of a grant, by its index in Grants.
func (c *Config) GrantPlace(i int, key string) Place { return c.places.grants[i].place(key) }

// SettingPlace is where a setting has its value: in the last file that writes it, or
// line 1 of the first if none does.
func (c *Config) SettingPlace(key string) Place {
	for _, d := range slices.Backward(c.places.files) {
		if _, ok := d.lines.at[key]; ok {
			return Place{d.name, d.lines.line(key)}
		}
	}
	return Place{c.places.files[0].name, 1}
}

// Comment is a comment in the policy.
type Comment struct {
	Place
	Text string // without # and white space
	// The lines that it is about: its own, or the next one with something on it; and
	// all of a key's value, if that begins there.
	First, Last int
}

// Comments are those that begin with the prefix, in the files of the policy.
func (c *Config) Comments(prefix string) []Comment {
	var out []Comment
	for _, d := range c.places.files {
		for _, comment := range d.comments {
			if strings.HasPrefix(comment.Text, prefix) {
				out = append(out, comment)
			}
		}
	}
	return out
}

// findComments reads the comments of a text that is known to be TOML.
func (d *document) findComments(data []byte) {
	p := unstable.Parser{KeepComments: true}
	p.Reset(data)
	last := map[int]int{} // of a key and its value, by its first line
	for p.NextExpression() {
		e := p.Expression()
		d.commentsOf(e)
		if e.Kind == unstable.KeyValue {
			last[d.lines.lineAt(int(e.Raw.Offset))] = d.lines.lineAt(int(e.Raw.Offset + e.Raw.Length - 1))
		}
	}
	slices.SortStableFunc(d.comments, func(a, b Comment) int { return cmp.Compare(a.Line, b.Line) })
	text := strings.Split(string(data), "\n")
	for i := range d.comments {
		c := &d.comments[i]
		c.First = c.Line
		for c.First < len(text) && aside(text[c.First-1]) {
			c.First++
		}
		c.Last = max(c.First, last[c.First])
	}
}

// aside reports whether nothing but a comment is on the line.
func aside(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

// commentsOf walks a node, what is in it, and what is beside it.
func (d *document) commentsOf(n *unstable.Node) {
	for ; n.Valid(); n = n.Next() {
		if n.Kind == unstable.Comment {
			text := strings.TrimSpace(strings.TrimLeft(string(n.Data), "#"))
			d.comments = append(d.comments, Comment{Place: Place{d.name, d.lines.lineAt(int(n.Raw.Offset))}, Text: text})
		}
		d.commentsOf(n.Child())
	}
}
