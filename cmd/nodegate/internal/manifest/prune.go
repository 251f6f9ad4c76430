// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// prune takes nodes out of a tree. A list or mapping of which nothing is left
// goes as a whole: it reports whether n does.
func (e *editor) prune(n *yaml.Node, gone map[*yaml.Node]bool) bool {
	if gone[n] {
		return true
	}
	step := 1
	switch n.Kind {
	case yaml.MappingNode:
		step = 2
	case yaml.SequenceNode:
	default:
		return false
	}
	var children []*yaml.Node // where each begins
	var out []bool
	left := 0
	before := len(e.splices)
	for i := 0; i+step <= len(n.Content); i += step {
		goes := e.prune(n.Content[i+step-1], gone)
		children, out = append(children, n.Content[i]), append(out, goes)
		if !goes {
			left++
		}
	}
	switch {
	case left == len(out):
		return false
	case left == 0:
		e.splices = e.splices[:before]
		return true
	case n.Style&yaml.FlowStyle != 0:
		e.cutFlow(children, out)
	default:
		for i := range children {
			if out[i] {
				e.cutBlock(children[i], step == 1)
			}
		}
	}
	return false
}

// cutBlock takes out the lines of an entry, or of a list's item.
func (e *editor) cutBlock(n *yaml.Node, isItem bool) {
	prefix := e.indent(n)
	if e.err != nil {
		return
	}
	spaces := len(prefix) - len(strings.TrimLeft(prefix, " "))
	switch rest := strings.TrimRight(prefix[spaces:], " "); {
	case isItem && rest != "-", !isItem && rest != "":
		e.err = errForm // an entry on the line of another one's dash, for instance
		return
	}
	at := e.starts[n.Line-1]
	end := e.lineEnd(n.Line)
	for line := n.Line + 1; line <= len(e.starts); line++ {
		text := string(bytes.TrimRight(e.text[e.starts[line-1]:e.lineEnd(line)], "\r\n"))
		trimmed := strings.TrimLeft(text, " ")
		if trimmed == "" {
			continue // part of it only if more follows
		}
		deeper := len(text)-len(trimmed) > spaces
		listBelow := !isItem && len(text)-len(trimmed) == spaces && (trimmed == "-" || strings.HasPrefix(trimmed, "- "))
		if !deeper && !listBelow {
			break
		}
		end = e.lineEnd(line)
	}
	e.splices = append(e.splices, splice{at, end, ""})
}

// lineEnd is where the next line begins.
func (e *editor) lineEnd(line int) int {
	if line < len(e.starts) {
		return e.starts[line]
	}
	return len(e.text)
}

// cutFlow takes children out of a list or mapping in brackets; at least one stays.
func (e *editor) cutFlow(children []*yaml.Node, out []bool) {
	for i := 0; i < len(children); i++ {
		if !out[i] {
			continue
		}
		last := i
		for last+1 < len(out) && out[last+1] {
			last++
		}
		var at, end int
		if last+1 < len(out) {
			at, end = e.offset(children[i]), e.offset(children[last+1])
		} else {
			at, end = e.flowEnd(children[i-1]), e.flowEnd(children[last])
		}
		if e.err != nil {
			return
		}
		e.splices = append(e.splices, splice{at, end, ""})
		i = last
	}
}

// flowEnd is where the comma or the bracket stands that ends a child.
func (e *editor) flowEnd(n *yaml.Node) int {
	depth, quote := 0, byte(0)
	start := e.offset(n)
	for at := start; at < len(e.text); at++ {
		switch c := e.text[at]; {
		case quote != 0:
			if c == '\\' && quote == '"' {
				at++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' && strings.ContainsRune(" [{:,", rune(e.text[max(at, 1)-1])):
			quote = c
		case c == '[' || c == '{':
			depth++
		case depth > 0 && (c == ']' || c == '}'):
			depth--
		case depth == 0 && (c == ',' || c == ']' || c == '}'):
			return at
		}
	}
	e.err = errForm
	return start
}
